import Address
import Foundation
import Glibc
import Resolver
import Synchronization

/// A name server on 127.0.0.1 over UDP that answers A and AAAA from a table (RFC 1035).
final class NameServer: Sendable {
    struct Zone: Sendable {
        var v4: [UInt32] = []
        var v6: [UInt128] = []
        var secondsToLive: UInt32 = 60
    }

    private struct State {
        var zones: [String: Zone] = [:]
        var isSilent = false
        var questions: [String] = []
    }

    let port: UInt16
    private let descriptor: Int32
    private let state = Mutex(State())

    /// Stops when `stop()` is called.
    init(_ zones: [String: Zone]) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        self.descriptor = descriptor
        try withIPv4(0x7f00_0001, 0) { address, length in
            guard bind(descriptor, address, length) == 0 else { throw Peer.Failure("bind") }
        }
        port = portOf(descriptor)
        state.withLock { $0.zones = zones }
        Thread.detachNewThread { self.serve() }
    }

    deinit {
        close(descriptor)
    }

    /// As a resolver knows it.
    var asked: NameServers { NameServers([.init(.v4(0x7f00_0001), port: port)]) }

    /// Every question so far, as `A example.org`.
    var questions: [String] { state.withLock { $0.questions } }

    func set(_ name: String, _ zone: Zone) { state.withLock { $0.zones[name] = zone } }

    func fallSilent() { state.withLock { $0.isSilent = true } }

    func speak() { state.withLock { $0.isSilent = false } }

    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    private func serve() {
        var packet = [UInt8](repeating: 0, count: 1500)
        while true {
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &packet, packet.count, 0, $0, &length)
                }
            }
            guard count > 12 else { return }
            guard let answer = answer(Array(packet[..<count])) else { continue }
            withUnsafePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(descriptor, answer, answer.count, 0, $0, length)
                }
            }
        }
    }

    private func answer(_ query: [UInt8]) -> [UInt8]? {
        var labels: [String] = []
        var index = 12
        while query[index] != 0 {
            let end = index + 1 + Int(query[index])
            labels.append(String(decoding: query[(index + 1)..<end], as: UTF8.self))
            index = end
        }
        let end = index + 5
        let isV4 = query[index + 2] == 1
        let name = labels.joined(separator: ".").lowercased()
        let (zone, isSilent) = state.withLock { state in
            state.questions.append("\(isV4 ? "A" : "AAAA") \(name)")
            return (state.zones[name], state.isSilent)
        }
        if isSilent { return nil }
        let records: [[UInt8]] =
            zone.map { zone in
                isV4 ? zone.v4.map { bigEndianBytes($0) } : zone.v6.map { bigEndianBytes($0) }
            } ?? []
        // Response, recursion available; NXDOMAIN without a zone.
        var answer = Array(query[0..<2]) + [0x81, zone == nil ? 0x83 : 0x80, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
        answer += query[12..<end]
        for record in records {
            answer += [0xc0, 12, 0, isV4 ? 1 : 28, 0, 1] + bigEndianBytes(zone?.secondsToLive ?? 0)
            answer += [0, UInt8(record.count)] + record
        }
        return answer
    }
}

private func bigEndianBytes(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}
