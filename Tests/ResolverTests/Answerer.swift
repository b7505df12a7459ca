import Address
import Foundation
import Glibc
import Reactor
import Synchronization
import TestNetwork
import TestProcess

@testable import Resolver

/// Names with their addresses, in the order in which they were announced.
final class Announcements: Sendable {
    let all = Mutex<[String]>([])
}

/// The answering side on a reactor of its own, over UDP and TCP on one port of loopback.
actor Answerer {
    nonisolated let reactor: Reactor
    nonisolated let port: UInt16
    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }
    private let responder: Responder
    private var socket: NameSocket?
    private var acceptor: Acceptor?

    /// - Parameter isForRelays: whoever asks is taken for a relay.
    init(
        _ servers: NameServer..., knowledge: Knowledge = Knowledge(), hosts: HostTable = .empty,
        isForRelays: Bool = false
    ) async throws {
        let reactor = try Reactor(counters: try Counters())
        self.reactor = reactor
        var (datagrams, streams, port) = try Self.sockets()
        // The UDP port that the kernel chose may be taken over TCP.
        for _ in 0..<16 where streams == nil { (datagrams, streams, port) = try Self.sockets() }
        guard let streams else { throw Failure("no port is free over UDP and TCP") }
        self.port = port
        Thread.detachNewThread { reactor.run() }
        responder = Responder(on: reactor)
        open(Descriptor(adopting: datagrams), Descriptor(adopting: streams), isForRelays)
        use(NameServers(servers.map(\.asked), attempts: 1), hosts)
        use(knowledge)
    }

    deinit {
        reactor.stop()
    }

    /// - Returns: no TCP socket where its port is taken.
    private static func sockets() throws -> (Int32, Int32?, UInt16) {
        let datagrams = try ListeningSocket.udp(Endpoint(address: .v4(0x7f00_0001), port: 0))
        let endpoint = try ListeningSocket.address(of: datagrams)
        guard let streams = try? ListeningSocket.tcp(endpoint) else { return (datagrams.release(), nil, endpoint.port) }
        return (datagrams.release(), streams.release(), endpoint.port)
    }

    private func open(_ datagrams: consuming Descriptor, _ streams: consuming Descriptor, _ isForRelays: Bool) {
        socket = try? NameSocket(datagrams, zone: 1, isForRelays: isForRelays, responder: responder)
        nonisolated(unsafe) let service = NameStreams(responder)
        acceptor = Acceptor(listener: streams, account: 0, reactors: [reactor], onPause: { _ in }) { _, connection in
            await service.serve(connection, zone: 1, isForRelays: isForRelays)
        }
    }

    func use(_ servers: NameServers, _ hosts: HostTable = .empty) { responder.use(servers, hosts: hosts) }
    func use(_ knowledge: Knowledge, news: NameSet = .empty) { responder.use(knowledge, news: news) }

    /// Has `announcements` know what is announced from now on.
    func announce(to announcements: Announcements) {
        responder.announce = { name, addresses, _ in
            announcements.all.withLock { $0.append("\(name) \(addresses.map(\.description).joined(separator: " "))") }
        }
    }

    var refusals: [Responder.Refusal: Int] { responder.refusals }

    /// What dig(1) says.
    nonisolated func dig(_ arguments: String...) throws -> String { try dig(arguments) }

    /// Only the data of the answer, line by line.
    nonisolated func short(_ arguments: String...) throws -> [String] {
        try dig(["+short"] + arguments).split(separator: "\n").map(String.init)
    }

    private nonisolated func dig(_ arguments: [String]) throws -> String {
        let process = ChildProcess()
        process.executableURL = URL(filePath: "/usr/bin/dig")
        process.arguments = ["@127.0.0.1", "-p", "\(port)", "+tries=1", "+time=9"] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    /// Sends these datagrams and waits for as many answers; fewer if none comes for so long.
    nonisolated func send(_ messages: [UInt8]..., within limit: Duration = .seconds(9)) -> [[UInt8]] {
        send(messages, from: 1, within: limit)
    }

    /// - Parameter number: of the client, whose address is the one of this number in 127.0.0.0/8.
    nonisolated func send(_ messages: [[UInt8]], from number: UInt32, within limit: Duration = .seconds(9)) -> [[UInt8]]
    {
        let client = Glibc.socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        defer { close(client) }
        let (storage, length) = Endpoint(address: .v4(0x7f00_0000 + number), port: 0).socketAddress
        _ = withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(client, $0, length) }
        }
        connect(client)
        for message in messages { _ = Glibc.send(client, message, message.count, 0) }
        var answers: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while answers.count < messages.count {
            var poll = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, CInt(limit / .milliseconds(1))) > 0 else { break }
            answers.append(Array(buffer[..<recv(client, &buffer, buffer.count, 0)]))
        }
        return answers
    }

    /// Sends these messages over one connection at once, and gives the answers in the order in which they come.
    nonisolated func stream(_ messages: [[UInt8]]) -> [[UInt8]] {
        let client = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        connect(client)
        let bytes = messages.flatMap { [UInt8($0.count >> 8), UInt8(truncatingIfNeeded: $0.count)] + $0 }
        _ = Glibc.send(client, bytes, bytes.count, 0)
        shutdown(client, CInt(SHUT_WR))
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(client, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            received += buffer[..<count]
        }
        var answers: [[UInt8]] = []
        var rest = received[...]
        while rest.count >= 2 {
            let length = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
            answers.append(Array(rest.dropFirst(2).prefix(length)))
            rest = rest.dropFirst(2 + length)
        }
        return answers
    }

    private nonisolated func connect(_ client: CInt) {
        let (storage, length) = Endpoint(address: .v4(0x7f00_0001), port: port).socketAddress
        _ = withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(client, $0, length) }
        }
    }
}
