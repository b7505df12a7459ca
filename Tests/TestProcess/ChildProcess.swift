package import Foundation
import Glibc
import Synchronization

/// A child process of a test, with the part of Foundation's `Process` that tests need.
///
/// Foundation's own waits on a socket that the child inherits, and so does any other child that is spawned at the same
/// moment: a test then waits for a daemon of another test (and `waitUntilExit` does not return at all on some threads). This
/// one asks the kernel (waitid(2)) and passes on no descriptor but 0, 1, 2 and those that it is told to.
package final class ChildProcess: @unchecked Sendable {
    package enum TerminationReason: Sendable {
        case exit, uncaughtSignal
    }

    package var executableURL: URL?
    package var arguments: [String] = []
    /// nil: this process's own.
    package var environment: [String: String]?
    package var currentDirectoryURL: URL?
    /// Each a `FileHandle` or a `Pipe`; nil: this process's own. The child's end of a pipe is closed here once it runs.
    package var standardInput: Any?
    package var standardOutput: Any?
    package var standardError: Any?
    /// The child has them as 3 and on.
    package var descriptors: [Int32] = []

    private let state = Mutex(State())

    private struct State {
        var identifier: pid_t = 0
        /// As waitpid(2) gives it.
        var status: Int32?
    }

    package init() {}

    package var processIdentifier: pid_t { state.withLock { $0.identifier } }

    package var isRunning: Bool {
        state.withLock { state in
            guard state.identifier > 0, state.status == nil else { return false }
            var status: Int32 = 0
            if waitpid(state.identifier, &status, WNOHANG) == state.identifier { state.status = status }
            return state.status == nil
        }
    }

    package func run() throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The threads that run tests block most signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let streams = [
            descriptor(standardInput, inherited: 0), descriptor(standardOutput, inherited: 1),
            descriptor(standardError, inherited: 2),
        ]
        // Lifted out of the way first, so that none is overwritten before its turn.
        let copies = (streams + descriptors).map { fcntl($0, F_DUPFD_CLOEXEC, 100) }
        defer { for copy in copies { close(copy) } }
        for (index, copy) in copies.enumerated() { posix_spawn_file_actions_adddup2(&actions, copy, Int32(index)) }
        closeFrom(&actions, Int32(copies.count))
        if let directory = currentDirectoryURL {
            changeDirectory(&actions, directory.path)
        }
        let words = [executableURL!.path] + arguments
        let variables = (environment ?? ProcessInfo.processInfo.environment).map { "\($0)=\($1)" }
        var identifier: pid_t = 0
        let error = withCStrings(words) { words in
            withCStrings(variables) { posix_spawn(&identifier, words[0]!, &actions, &attributes, words, $0) }
        }
        guard error == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: error) ?? .EIO, userInfo: [NSFilePathErrorKey: words[0]])
        }
        state.withLock { $0.identifier = identifier }
        try? (standardInput as? Pipe)?.fileHandleForReading.close()
        try? (standardOutput as? Pipe)?.fileHandleForWriting.close()
        try? (standardError as? Pipe)?.fileHandleForWriting.close()
    }

    /// Runs a program, which is looked for along PATH, to its end: it has nothing to read; both of its outputs together.
    package static func run(
        _ command: [String], environment: [String: String]? = nil, in directory: URL? = nil
    ) throws -> (status: Int32, output: String) {
        let process = ChildProcess()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.environment = environment
        process.currentDirectoryURL = directory
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    package func terminate() {
        if isRunning { kill(processIdentifier, SIGTERM) }
    }

    package func waitUntilExit() {
        var info = siginfo_t()
        // WNOWAIT: reaping is `isRunning`'s, under the lock, so that no other process can get the number before.
        while isRunning {
            _ = waitid(P_PID, id_t(processIdentifier), &info, WEXITED | WNOWAIT)
        }
    }

    /// The exit status, or the signal's number.
    package var terminationStatus: Int32 {
        let status = state.withLock { $0.status ?? 0 }
        return status & 0x7f == 0 ? status >> 8 & 0xff : status & 0x7f
    }

    package var terminationReason: TerminationReason {
        state.withLock { ($0.status ?? 0) & 0x7f == 0 } ? .exit : .uncaughtSignal
    }

    private func descriptor(_ stream: Any?, inherited: Int32) -> Int32 {
        switch stream {
        case let file as FileHandle: file.fileDescriptor
        case let pipe as Pipe: (inherited == 0 ? pipe.fileHandleForReading : pipe.fileHandleForWriting).fileDescriptor
        default: inherited
        }
    }
}

// glibc has these two since 2.34, but Swift's import of glibc does not.
private func closeFrom(_ actions: inout posix_spawn_file_actions_t, _ first: Int32) {
    typealias Function = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np")
    _ = unsafeBitCast(symbol!, to: Function.self)(&actions, first)
}

private func changeDirectory(_ actions: inout posix_spawn_file_actions_t, _ path: String) {
    typealias Function =
        @convention(c) (
            UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>
        ) -> Int32
    let symbol = dlsym(nil, "posix_spawn_file_actions_addchdir_np")
    _ = unsafeBitCast(symbol!, to: Function.self)(&actions, path)
}

private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let copies = strings.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    return copies.withUnsafeBufferPointer { body($0.baseAddress!) }
}
