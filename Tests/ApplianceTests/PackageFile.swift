import Foundation

/// The package as scripts/build-deb left it.
enum PackageFile {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().standardizedFileURL

    /// The newest one, if several versions lie there.
    static let newest: URL? = {
        let files = try? FileManager.default.contentsOfDirectory(
            at: root, includingPropertiesForKeys: [.contentModificationDateKey])
        return files?.filter { $0.lastPathComponent.wholeMatch(of: /gatehouse_.+\.deb/) != nil }
            .max { modified($0) < modified($1) }
    }()

    private static func modified(_ file: URL) -> Date {
        (try? file.resourceValues(forKeys: [.contentModificationDateKey]))?.contentModificationDate ?? .distantPast
    }
}
