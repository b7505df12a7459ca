package import Foundation
import Glibc
import TestProcess

/// How a program ended, and what it said.
package struct Outcome: Sendable, CustomStringConvertible {
    package var status: Int32
    package var output: String
    package var errors: String

    package var description: String { "status \(status)\n\(output)\(errors)" }
}

extension Namespace {
    /// Runs a program inside and waits for it; its output, or an error with what it said.
    @discardableResult
    package func run(_ arguments: String..., input: String? = nil) throws -> String {
        let outcome = try attempt(arguments, input: input)
        guard outcome.status == 0 else {
            throw Failure("\(arguments.joined(separator: " ")): \(outcome)")
        }
        return outcome.output
    }

    /// Runs a program inside, of which it is to be seen how it ends. Nothing runs longer than `seconds`.
    package func attempt(_ arguments: [String], input: String? = nil, seconds: Int = 120) throws -> Outcome {
        let files = try (input: temporaryFile(input ?? ""), output: temporaryFile(), errors: temporaryFile())
        defer { for file in [files.input, files.output, files.errors] { try? file.close() } }
        let process = ChildProcess()
        process.executableURL = URL(filePath: "/usr/bin/timeout")
        process.arguments = ["--kill-after=5", "\(seconds)", "nsenter", "--net=\(path)"] + arguments
        process.standardInput = files.input
        process.standardOutput = files.output
        process.standardError = files.errors
        try process.run()
        process.waitUntilExit()
        func text(_ file: FileHandle) throws -> String {
            try file.seek(toOffset: 0)
            return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        }
        return Outcome(
            status: process.terminationStatus, output: try text(files.output), errors: try text(files.errors))
    }
}

/// Unlinked already: files, unlike pipes, take any amount without a reader and stay open in no grandchild's way.
private func temporaryFile(_ content: String = "") throws -> FileHandle {
    var template = Array((NSTemporaryDirectory() + "gatehouse-test-XXXXXX").utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw Failure("mkstemp: \(String(cString: strerror(errno)))") }
    unlink(template)
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    try file.write(contentsOf: Data(content.utf8))
    try file.seek(toOffset: 0)
    return file
}

/// A program that goes on running. It is killed when the last reference to it goes, and also when this process dies: its
/// guard waits for the end of a pipe that only this process holds open.
package final class RunningProgram: @unchecked Sendable {
    private let process = ChildProcess()
    private let guardian = ChildProcess()
    private let lifeline = Pipe()
    /// Where its output and its errors go.
    package let log: String

    /// - Parameters:
    ///   - input: nil: none.
    ///   - environment: beside this process's own.
    ///   - descriptors: the program has them as 3 and on.
    package init(
        _ arguments: [String], in namespace: Namespace, log: String, input: FileHandle? = nil,
        environment: [String: String] = [:], descriptors: [CInt] = []
    ) throws {
        self.log = log
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.descriptors = descriptors
        guard FileManager.default.createFile(atPath: log, contents: nil),
            let file = FileHandle(forWritingAtPath: log)
        else { throw Failure("cannot write \(log)") }
        file.seekToEndOfFile()
        process.executableURL = URL(filePath: "/usr/bin/nsenter")
        process.arguments = ["--net=\(namespace.path)"] + arguments
        process.standardInput = input ?? .nullDevice
        process.standardOutput = file
        process.standardError = file
        try process.run()
        guardian.executableURL = URL(filePath: "/bin/sh")
        guardian.arguments = ["-c", "read line; kill -KILL \(process.processIdentifier)"]
        guardian.standardInput = lifeline
        guardian.standardOutput = file
        guardian.standardError = file
        try guardian.run()
    }

    deinit {
        if process.isRunning { kill(identifier, SIGKILL) }
        process.waitUntilExit()
        kill(guardian.processIdentifier, SIGKILL)
        guardian.waitUntilExit()
    }

    package var identifier: pid_t { process.processIdentifier }
    package var isRunning: Bool { process.isRunning }
    package var said: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    package func signal(_ number: CInt) {
        if isRunning { kill(identifier, number) }
    }

    /// How it ended: its exit status, or 128 and the signal's number; nil if it goes on after `limit`.
    package func ended(within limit: Duration = .seconds(15)) -> Int32? {
        guard eventually(within: limit, { !process.isRunning }) else { return nil }
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }
}
