import Foundation
import Testing

@Suite("The unit of systemd")
struct ServiceUnit {
    private let text: String

    init() throws { text = try Repository.text("etc/gatehouse.service") }

    @Test("bounds the memory of the service, and keeps the supervisor from being the first to go")
    func memory() {
        let lines = text.split(separator: "\n")
        #expect(lines.contains("MemoryHigh=75%"))
        #expect(lines.contains("OOMScoreAdjust=-900"))
    }

    /// A word that systemd does not know it warns of and passes over.
    @Test("is what systemd-analyze is content with", .enabled(if: hasAnalyze))
    func verify() throws {
        let (status, said) = try analyze("verify", "--man=no", "--recursive-errors=no")
        let complaints = said.split(separator: "\n").filter { $0.contains("gatehouse.service") }
        #expect(complaints.isEmpty, "\(said)")
        #expect(status == 0, "\(said)")
    }

    @Test("is exposed no further than 3.0 of systemd-analyze's ten", .enabled(if: hasAnalyze))
    func exposure() throws {
        let (status, said) = try analyze("security", "--offline=true", "--threshold=30")
        #expect(status == 0, "\(said)")
    }

    private static let hasAnalyze = FileManager.default.fileExists(atPath: "/usr/bin/systemd-analyze")

    private func analyze(_ arguments: String...) throws -> (status: Int32, said: String) {
        let directory = NSTemporaryDirectory() + "gatehouse-unit-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        // The program is not installed where the tests run.
        let unit = text.replacing("/usr/sbin/gatehoused", with: "/bin/true")
        try unit.write(toFile: "\(directory)/gatehouse.service", atomically: true, encoding: .utf8)
        let program = Process()
        program.executableURL = URL(fileURLWithPath: "/usr/bin/systemd-analyze")
        program.arguments = arguments + ["\(directory)/gatehouse.service"]
        let pipe = Pipe()
        program.standardError = pipe
        program.standardOutput = pipe
        try program.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        program.waitUntilExit()
        return (program.terminationStatus, said)
    }
}
