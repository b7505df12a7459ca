import Address
import Foundation
import Glibc
import Policy
import Testing

@testable import Store

/// A directory of its own under /tmp, removed at the end.
final class StateDirectory {
    let path: String
    var database: String { path + "/gatehouse.db" }

    init() {
        var template = Array("/tmp/gatehouse-store-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    func write(_ bytes: [UInt8], to name: String = "gatehouse.db") {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
    }

    func bytes(of name: String = "gatehouse.db") -> [UInt8] {
        let descriptor = open("\(path)/\(name)", O_RDONLY)
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while case let count = read(descriptor, &block, block.count), count > 0 { bytes += block[..<count] }
        return bytes
    }

    /// What another program does to the file, or sees in it.
    func sql(_ script: String) throws {
        try Database(path: database).run(script)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

let alice = Author(uid: 1000, name: "alice")

extension Policy {
    /// One of everything, in the order in which the store returns it.
    static let example = Policy(
        listeners: [
            Listener(kind: .socks5, endpoint: Endpoint("127.0.0.1:1080")!),
            Listener(
                kind: .http, endpoint: Endpoint("[fd00::1]:3128")!, authentication: .required, interface: "eth1"),
            Listener(
                kind: .mixed, endpoint: Endpoint("[fd00::1]:8080")!, authentication: .required,
                clients: [Network("fd00::/64")!, Network("fd01::7")!], users: ["anna", "berta"],
                socks: .init(
                    allowsVersion4: true, advertisedAddress: IPAddress("2001:db8::5")!,
                    udpPorts: PortRange("5000-5100"),
                    bindPorts: PortRange("6000"))),
        ],
        users: [User(name: "anna", passwordHash: "scrypt$1"), User(name: "berta", passwordHash: "scrypt$2")],
        rules: [
            Rule(id: 1, action: .allow, destination: Network("127.0.0.0/8")!),
            Rule(id: 2, action: .deny, destination: Network("2001:db8::/32")!),
            Rule(
                id: 3, action: .deny, device: "kid", user: "anna", client: Network("10.0.0.0/8")!,
                domain: "example.com",
                ports: PortRange("80-443")),
        ],
        defaultAction: .deny,
        limits: [
            Limit(subject: .eachClient, sessions: 100, rate: 20, bandwidth: 1_000_000, questions: 300),
            Limit(subject: .device("kid"), bandwidth: 500_000), Limit(subject: .user("anna"), sessions: 10),
        ],
        openings: [
            Opening(name: "dns", .init("udp 53")!, from: .interface("eth1"), source: Network("10.0.0.0/8")!),
            Opening(name: "ssh", .ssh, from: .anywhere),
        ],
        firewall: .enforce,
        zones: [
            Zone(
                name: "guest", interfaces: ["wlan1"], addresses: [InterfaceAddress("192.168.20.1/24")!], way: .proxy,
                newDevices: .blocked,
                service: .init(
                    names: false, range: AddressRange("192.168.20.9-192.168.20.19")!, strayNames: .refused)),
            Zone(name: "home", interfaces: ["eth1", "wlan0"], service: .init()),
            Zone(name: "internet", interfaces: ["eth0"]),
        ],
        devices: [
            Device(
                name: "tv", hardware: HardwareAddress("02:00:00:00:00:0a")!, way: .proxy,
                address: IPAddress("192.168.1.20")!, pause: .until(1_800_000_000)),
            Device(
                name: "kid", hardware: HardwareAddress("02:00:00:00:00:0b")!, pause: .forever,
                schedule: Schedule("mon-fri 07:00-21:00,sat 09:00-01:00")!),
        ],
        passages: [
            Passage(from: "guest", to: "home", services: [.init("tcp 631")!, .init("udp 5353")!]),
            Passage(from: "home", to: "guest"),
        ],
        forwards: [
            Forward(name: "game", transport: .udp, port: 3074, device: "kid"),
            Forward(
                name: "web", transport: .tcp, port: 8080, device: "tv", devicePort: 80,
                source: Network("203.0.113.0/24")!, until: 1_800_000_000),
        ],
        blocklists: [
            Blocklist(name: "ads", count: 100_000, content: "0123456789abcdef"),
            Blocklist(name: "games", device: "kid", count: 2, content: "0123456789abcde0"),
            Blocklist(name: "late", zone: "guest", count: 1, content: "0123456789abcde1"),
        ],
        trustedDomains: ["home.example", "plex.direct"],
        bans: BanTerms(
            guesses: 5, scans: nil, floods: 300, seconds: 600, secondsAtHome: 60, spared: [Network("192.0.2.0/24")!]))
}
