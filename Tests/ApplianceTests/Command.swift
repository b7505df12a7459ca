import Foundation
import Glibc
import TestProcess
import Testing

/// A program run to its end.
struct Command {
    var status: Int32
    /// Standard output and standard error, in the order in which they came.
    var output: String

    /// Runs `arguments[0]`, found on PATH, in a clean environment. The test runner's few threads are not held.
    static func run(_ arguments: [String], input: String = "") async throws -> Command {
        try await blocking { try runBlocking(arguments, input: input) }
    }

    /// Runs what blocks on a thread of its own.
    static func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
        }
    }

    /// As `run`, but a status other than 0 is an error that shows the command and what it printed.
    @discardableResult
    static func check(_ arguments: [String], input: String = "") async throws -> String {
        let command = try await run(arguments, input: input)
        guard command.status == 0 else { throw Failure(arguments: arguments, command: command) }
        return command.output
    }

    struct Failure: Error, CustomStringConvertible {
        var arguments: [String]
        var command: Command
        var description: String {
            "\(arguments.joined(separator: " ")): status \(command.status)\n\(command.output)"
        }
    }

    private static func runBlocking(_ arguments: [String], input: String) throws -> Command {
        let process = ChildProcess()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = environment
        let stdin = Pipe()
        let stdout = Pipe()
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stdout
        try process.run()
        try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Command(status: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
    }

    static let environment = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        "DEBIAN_FRONTEND": "noninteractive",
    ]
}

/// Looks again until `condition` holds; after a minute it is an issue that shows `what`.
func eventually(
    _ what: String, _ condition: () async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("a minute has passed and still not: \(what)", sourceLocation: sourceLocation)
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(50))
    }
}
