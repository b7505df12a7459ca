import Glibc
import TestNetwork

/// A service on port 8080 of every address of the gateway, and those on the WAN who try to reach it.
final class Siege {
    let probers: [(way: String, prober: Prober)]
    private let services: [AnyObject]

    init(of home: Home) throws {
        services = [
            try Origin(in: home.gateway, "0.0.0.0", port: 8080) { _ in },
            // Both families, and the datagrams of both.
            try DatagramPeer.echo(in: home.gateway, "::", port: 8080),
            try Origin(in: home.gateway, Home.gatewayOnWAN6, port: 8080) { _ in },
        ]
        probers = [
            ("TCP", Prober(from: home.wan, to: Home.gatewayOnWAN, 8080)),
            ("TCP over IPv6", Prober(from: home.wan, to: Home.gatewayOnWAN6, 8080)),
            ("UDP", Prober(from: home.wan, to: Home.gatewayOnWAN, 8080, over: .udp)),
            ("UDP over IPv6", Prober(from: home.wan, to: Home.gatewayOnWAN6, 8080, over: .udp)),
        ]
    }
}
