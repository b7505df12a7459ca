import Address
import Policy

/// A gateway between a home and the internet, as most tests use it.
let home = Surroundings(interfaces: [
    .init(
        name: "lo",
        addresses: [
            .init(address: IPAddress("127.0.0.1")!, prefix: 8), .init(address: IPAddress("::1")!, prefix: 128),
        ], isLoopback: true),
    .init(
        name: "eth0",
        addresses: [
            .init(address: IPAddress("203.0.112.5")!, prefix: 24),
            .init(address: IPAddress("2001:db9:1::5")!, prefix: 64),
            .init(address: IPAddress("fe80::5")!, prefix: 64),
        ]),
    .init(
        name: "eth1",
        addresses: [
            .init(address: IPAddress("192.168.1.1")!, prefix: 24),
            .init(address: IPAddress("2001:db9:2::1")!, prefix: 64),
        ]),
    .init(name: "eth2", addresses: []),
])

func endpoint(_ text: String) -> Endpoint { Endpoint(text)! }

let hash = PasswordHash(
    log2N: 14, r: 8, p: 1, salt: Array(0..<16), key: Array(0..<32)
).description

/// The text of the refusal, or nil when there was none.
func refusal<Value>(_ change: () throws(Refusal) -> Value) -> String? {
    do {
        _ = try change()
        return nil
    } catch { return error.description }
}
