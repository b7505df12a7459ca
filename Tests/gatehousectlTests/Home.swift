import Foundation
import Glibc
import TestProcess
import Testing

/// A daemon of its own, with a new store, in `observe`; and gatehousectl to ask it. Needs no root.
final class Home: @unchecked Sendable {
    private static let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    static let ctl = products.appending(path: "gatehousectl").path

    let directory: String
    private let daemon = ChildProcess()
    private let guardian = ChildProcess()
    /// Only this process holds its writing end: when it dies, the guardian ends the daemon.
    private let lifeline = Pipe()

    var socket: String { "\(directory)/admin.sock" }
    private var log: String { "\(directory)/log" }

    init() throws {
        directory = try makeTemporaryDirectory()
        try "".write(toFile: "\(directory)/log", atomically: false, encoding: .utf8)
        let output = try #require(FileHandle(forWritingAtPath: "\(directory)/log"))
        daemon.executableURL = Self.products.appending(path: "gatehoused")
        daemon.arguments = ["--state", "\(directory)/state", "--socket", socket, "--firewall", "observe"]
        daemon.standardInput = FileHandle.nullDevice
        daemon.standardOutput = output
        daemon.standardError = output
        try daemon.run()
        guardian.executableURL = URL(filePath: "/bin/sh")
        guardian.arguments = ["-c", "cat >/dev/null; kill -KILL \(daemon.processIdentifier) 2>/dev/null"]
        guardian.standardInput = lifeline
        try guardian.run()
        let end = ContinuousClock.now + .seconds(20)
        while try ctl("status").status != 0 {
            guard daemon.isRunning, .now < end else { throw Trouble("gatehoused did not come up:\n\(said)") }
            usleep(10_000)
        }
    }

    deinit {
        // Its `cat` ends with the lifeline.
        kill(guardian.processIdentifier, SIGKILL)
        try? lifeline.fileHandleForWriting.close()
        guardian.waitUntilExit()
        daemon.terminate()
        daemon.waitUntilExit()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Ends the daemon before its time.
    func stopDaemon() {
        daemon.terminate()
        daemon.waitUntilExit()
    }

    var said: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// Runs gatehousectl against this daemon, outside of every SSH session.
    func ctl(_ arguments: String..., input: String = "", ssh: String? = nil) throws -> Outcome {
        var environment = ["GATEHOUSE_SOCKET": socket]
        // The session in which the tests run may be one; what cannot be parsed hides it.
        environment["SSH_CONNECTION"] = ssh ?? "none"
        return try run([Self.ctl] + arguments, input: input, environment: environment)
    }

    /// The reply to a verb that must succeed.
    func json(_ arguments: String...) throws -> [String: Any] {
        let outcome = try run([Self.ctl, "--socket", socket, "--json"] + arguments, environment: [:])
        guard outcome.status == 0 else { throw Trouble("\(arguments): \(outcome)") }
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }
}

struct Outcome: CustomStringConvertible {
    var status: Int32
    var output: String
    var errors: String

    var description: String { "status \(status)\n\(output)\(errors)" }
}

struct Trouble: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Nothing runs longer than a minute. PATH is all that the environment has beside `environment`.
func run(_ arguments: [String], input: String = "", environment: [String: String]) throws -> Outcome {
    let directory = try makeTemporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    func file(_ name: String, _ content: String = "") throws -> FileHandle {
        let path = "\(directory)/\(name)"
        try content.write(toFile: path, atomically: false, encoding: .utf8)
        return try #require(FileHandle(forUpdatingAtPath: path))
    }
    let process = ChildProcess()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["60"] + arguments
    process.environment = environment.merging(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]) { $1 }
    process.standardInput = try file("input", input)
    process.standardOutput = try file("output")
    process.standardError = try file("errors")
    try process.run()
    process.waitUntilExit()
    func text(_ name: String) throws -> String { try String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8) }
    return Outcome(status: process.terminationStatus, output: try text("output"), errors: try text("errors"))
}

private func makeTemporaryDirectory() throws -> String {
    var template = Array("/tmp/gatehousectl-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Trouble("mkdtemp: \(String(cString: strerror(errno)))") }
    return String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self)
}

/// A port of 127.0.0.1 that nobody has.
func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard isBound else { throw Trouble("no free port: \(String(cString: strerror(errno)))") }
    return UInt16(bigEndian: address.sin_port)
}
