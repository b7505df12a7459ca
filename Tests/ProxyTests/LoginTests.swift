import Address
import Foundation
import Logging
import Policy
import Reactor
import Synchronization
import Testing

@testable import Proxy

/// Logins while others guess, over real sockets: the guesser comes from another address of `lo`.
@Suite(.timeLimit(.minutes(1)), .serialized) struct LoginTests {
    private let users = ["alice", "bob", "carol", "dave"].map {
        User(name: $0, passwordHash: Password.hash(Array("right".utf8)).description)
    }
    private let guesser: UInt32 = 0x7f00_0002

    private func login(_ name: String, _ password: String) -> [UInt8] {
        [1, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(password.utf8.count)] + Array(password.utf8)
    }

    private func basic(_ name: String, _ password: String) -> String {
        let credentials = Data("\(name):\(password)".utf8).base64EncodedString()
        return
            "GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\nProxy-Authorization: Basic \(credentials)\r\n\r\n"
    }

    /// Guesses from one address until it is told to stop, as fast as it is answered.
    private final class Flood: Sendable {
        private let isOver = Atomic<Bool>(false)
        private let running = Atomic<Int>(0)
        let answers = Mutex<[String: Int]>([:])

        init(of size: Int, _ guess: @escaping @Sendable () async throws -> String) {
            for _ in 0..<size {
                running.add(1, ordering: .relaxed)
                Task {
                    while !isOver.load(ordering: .relaxed) {
                        let answer = (try? await guess()) ?? "gone"
                        answers.withLock { $0[answer, default: 0] += 1 }
                    }
                    running.subtract(1, ordering: .relaxed)
                }
            }
        }

        func stop() async -> [String: Int] {
            isOver.store(true, ordering: .relaxed)
            while running.load(ordering: .relaxed) > 0 { await Task.yield() }
            return answers.withLock { $0 }
        }
    }

    /// With one queue for everybody the right password of a newcomer was refused as wrong while a hundred connections guessed.
    @Test("47: a right password is right while another address guesses, and soon") func rightPassword() async throws {
        let gateway = try Gateway(authentication: .required, users: users)
        let flood = Flood(of: 100) {
            let client = try await Peer.connect(to: gateway.socks5, from: guesser)
            try await client.send([5, 1, 2] + login("alice", "wrong"))
            return "\(try await client.receiveAll().bytes)"
        }
        while flood.answers.withLock({ $0.isEmpty }) { await Task.yield() }
        for name in ["alice", "bob"] {
            let began = ContinuousClock.now
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send([5, 1, 2] + login(name, "right"))
            #expect(try await client.receive(4) == [5, 2, 1, 0])
            #expect(ContinuousClock.now - began < .seconds(3))
        }
        for name in ["carol", "dave"] {
            let client = try await Peer.connect(to: gateway.http)
            try await client.send(basic(name, "right"))
            let head = try await client.receiveHead()
            #expect(head.hasPrefix("HTTP/1.1 502 "), "a proxy that let them in finds nobody at port 1: \(head)")
        }
        _ = await flood.stop()
    }

    @Test func `Too many logins from one address are told apart from wrong ones, in both protocols`() async throws {
        let gateway = try Gateway(authentication: .required, users: users)
        let socks = Flood(of: 40) {
            let client = try await Peer.connect(to: gateway.socks5, from: guesser)
            try await client.send([5, 1, 2] + login("alice", "right"))
            let (bytes, end) = try await client.receiveAll()
            return "\(bytes) \(end)"
        }
        let http = Flood(of: 40) {
            let client = try await Peer.connect(to: gateway.http, from: guesser)
            try await client.send(basic("nobody", "right"))
            let (head, body) = try await client.receiveAnswer()
            if head.contains(" 429 ") {
                #expect(head.contains("\r\nRetry-After: 3\r\n") && head.contains("\r\nConnection: close\r\n"))
                #expect(body.contains("has not been looked at"))
            }
            return String(head.prefix(12))
        }
        while http.answers.withLock({ $0["HTTP/1.1 429"] == nil }) { await Task.yield() }
        let answers = await http.stop()
        #expect(answers.keys.allSatisfy { ["HTTP/1.1 407", "HTTP/1.1 429"].contains($0) }, "\(answers)")
        // A right password may have to wait, or to come again; it is never wrong.
        let others = await socks.stop()
        #expect(others.keys.allSatisfy { !$0.contains("1, 1]") }, "\(others)")
        #expect(others.keys.contains { $0.hasPrefix("[5, 2, 1, 0") } || others["[5, 2] fin"] != nil, "\(others)")
    }

    @Test func `Wrong passwords are logged with address and user, without the password, and not one by one`() throws {
        let lines = Mutex<[String]>([])
        let told = Mutex<[WrongLogins]>([])
        let logger = Logger(label: "test") { _ in LineRecorder { line in lines.withLock { $0.append(line) } } }
        let guesses = Guesses(logger: logger) { wrong in told.withLock { $0.append(wrong) } }
        let attacker = IPAddress.v4(0x0a00_0001)
        for count in 1...5000 { guesses.note(user: "alice", from: attacker, count: count) }
        #expect(lines.withLock { $0.count } == 4, "1, 10, 100, 1000")
        let first = try #require(lines.withLock { $0.first })
        #expect(first.contains("client=10.0.0.1") && first.contains("user=alice") && first.contains("lately=1"))
        // The supervisor, who counts them and may ban for it, hears of each.
        #expect(told.withLock { $0.map(\.count) } == Array(1...5000))
        // However many addresses there are.
        for index in 0..<5000 { guesses.note(user: "alice", from: .v4(0x0b00_0000 + UInt32(index)), count: 1) }
        #expect(lines.withLock { $0.count } <= 32)
    }

    @Test func `A login that is wrong reaches the log and the supervisor's ear from both protocols`() async throws {
        let told = Mutex<[WrongLogins]>([])
        let gateway = try Gateway(authentication: .required, users: users) { wrong in told.withLock { $0.append(wrong) }
        }
        for index in 0..<10 {
            let client = try await Peer.connect(to: index.isMultiple(of: 2) ? gateway.socks5 : gateway.http)
            if index.isMultiple(of: 2) {
                try await client.send([5, 1, 2] + login("mallory", "wrong"))
                #expect(try await client.receiveAll().bytes == [5, 2, 1, 1])
            } else {
                try await client.send(basic("mallory", "wrong"))
                #expect(try await client.receiveHead().hasPrefix("HTTP/1.1 407 "))
            }
        }
        #expect(told.withLock { $0 }.map(\.count) == Array(1...10))
        #expect(told.withLock { $0 }.allSatisfy { $0.user == "mallory" })
    }
}

/// A log's lines.
struct LineRecorder: LogHandler {
    let write: @Sendable (String) -> Void
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        write("\(event.level): \(event.message)\(details)")
    }
}
