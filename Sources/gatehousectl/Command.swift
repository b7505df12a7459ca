import Glibc

/// Another program, which is run for what it says.
struct Command {
    let words: [String]

    struct Outcome {
        /// Standard output and standard error, as they came.
        var said: String
        /// Why it is not the whole of it, or nothing; nil: it ended well.
        var fault: String?
        /// It took too long.
        var isLate = false
    }

    init(_ words: [String]) { self.words = words }

    /// - Parameters:
    ///   - seconds: it is ended after, with all that it has started.
    ///   - limit: bytes that are kept of what it says, at most.
    func run(within seconds: Int, atMost limit: Int) -> Outcome {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return Outcome(said: "", fault: String(cString: strerror(errno))) }
        let (reading, writing) = (ends[0], ends[1])
        // The program has the writing end as its output alone, or it would never be seen to close.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(reading) }
        let process: pid_t
        switch start(writingTo: writing) {
        case .success(let started): process = started
        case .failure(let failure):
            close(writing)
            return Outcome(said: "", fault: failure.code == ENOENT ? "there is no such program here" : failure.text)
        }
        close(writing)
        let (said, end) = read(reading, within: seconds, atMost: limit)
        if end != .closed { kill(-process, SIGKILL) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let fault: String? =
            switch end {
            case .late: "it was ended after \(seconds) s"
            case .full: "the rest is left out: it is longer than \(limit) bytes"
            case .closed: status == 0 ? nil : "it ended with status \(status & 0x7f == 0 ? status >> 8 & 0xff : status)"
            }
        return Outcome(said: said, fault: fault, isLate: end == .late)
    }

    private enum End { case closed, late, full }

    private struct StartFailure: Error {
        let code: Int32
        var text: String { String(cString: strerror(code)) }
    }

    /// In a group of its own, without input, in English and without colours.
    private func start(writingTo descriptor: Int32) -> Result<pid_t, StartFailure> {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDERR_FILENO)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        Self.prepare()
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        let result = posix_spawnp(&process, words[0], &actions, &attributes, &arguments, environ)
        return result == 0 ? .success(process) : .failure(StartFailure(code: result))
    }

    /// What all of them find in their environment. Root's PATH may lack where nft is.
    private static func prepare() {
        guard getenv("SYSTEMD_COLORS") == nil else { return }
        for (name, value) in ["LC_ALL": "C", "NO_COLOR": "1", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat"] {
            setenv(name, value, 1)
        }
        setenv("PATH", (environment("PATH").map { $0 + ":" } ?? "") + "/usr/sbin:/usr/bin:/sbin:/bin", 1)
    }

    private func read(_ descriptor: Int32, within seconds: Int, atMost limit: Int) -> (String, End) {
        let end = ContinuousClock.now + .seconds(seconds)
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let left = (end - .now).components
            let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
            guard milliseconds > 0 else { return (text(bytes), .late) }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(clamping: milliseconds)) > 0 else { continue }
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (text(bytes), .closed) }
            bytes += part[..<count]
            if bytes.count > limit { return (text(bytes[..<limit]), .full) }
        }
    }

    private func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
}
