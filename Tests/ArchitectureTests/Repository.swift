import Foundation
import Glibc
import TestProcess

/// The repository as it lies on disk.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().standardizedFileURL

    /// What belongs to the repository: every file that git knows or would take. In a copy without git: every file but those
    /// that .gitignore names.
    static let files: [String] = {
        // The clone may belong to somebody else than the user that runs the tests.
        let known = try? run(
            "git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
        if let known, known.status == 0 {
            return known.output.split(separator: "\0").map(String.init)
                .filter { FileManager.default.fileExists(atPath: root.appending(path: $0).path) }.sorted()
        }
        let ignored = [".build/", ".git/", ".gatehouse/", ".swiftpm/"]
        let all = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
        return all.filter { path in
            var isDirectory: ObjCBool = false
            let exists = FileManager.default.fileExists(
                atPath: root.appending(path: path).path, isDirectory: &isDirectory)
            return exists && !isDirectory.boolValue && !ignored.contains { path.hasPrefix($0) }
                && !path.hasSuffix(".deb") && path != "Package.resolved"
        }.sorted()
    }()

    /// The directories under Sources.
    static let modules = Set(
        files.filter { $0.hasPrefix("Sources/") }.compactMap { $0.split(separator: "/").dropFirst().first }
            .map(String.init)
    ).sorted()

    static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
    }

    static func isExecutable(_ path: String) -> Bool {
        access(root.appending(path: path).path, X_OK) == 0
    }

    /// Runs a program at the top of the repository; both of its outputs together.
    static func run(_ command: String...) throws -> (status: Int32, output: String) {
        try ChildProcess.run(command, in: root)
    }
}
