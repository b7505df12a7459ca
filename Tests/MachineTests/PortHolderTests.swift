import Address
import Foundation
import Machine
import TestNetwork
import Testing

@Suite("Who has a port is told", .enabled(if: isRoot, "needs root: network namespaces"))
struct PortHolderTests {
    private func find(
        _ endpoint: String, over transport: Connections.ListeningSocket.Transport, in namespace: Namespace
    ) throws -> String? {
        try namespace.enter { PortHolder.find(Endpoint(endpoint)!, over: transport) }
    }

    /// Of the programs that answer for names some have UDP alone, and the port was said to be nobody's.
    @Test func `a real dnsmasq is found over either transport, by address and not by port alone`() throws {
        let namespace = try Namespace()
        try namespace.run("ip", "link", "set", "lo", "up")
        let log = NSTemporaryDirectory() + "gatehouse-holder-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let dnsmasq = try RunningProgram(
            [
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--bind-interfaces", "--listen-address=127.0.0.1", "--pid-file", "--user=root",
            ], in: namespace, log: log)
        #expect(
            try eventually { try find("127.0.0.1:53", over: .udp, in: namespace) != nil }, "\(dnsmasq.said)")
        for transport in [Connections.ListeningSocket.Transport.udp, .tcp] {
            let holder = try find("127.0.0.1:53", over: transport, in: namespace)
            #expect(holder?.hasPrefix("dnsmasq (pid ") == true, "\(holder ?? "nobody")")
            #expect(try find("0.0.0.0:53", over: transport, in: namespace) == holder)
            #expect(try find("127.0.0.2:53", over: transport, in: namespace) == nil)
            #expect(try find("[::1]:53", over: transport, in: namespace) == nil)
            #expect(try find("127.0.0.1:54", over: transport, in: namespace) == nil)
        }
    }

    @Test func `a UDP socket is no TCP socket, and one of IPv6 may take IPv4 as well`() throws {
        let namespace = try Namespace()
        try namespace.run("ip", "link", "set", "lo", "up")
        let script = """
            import socket, sys
            a = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); a.bind(("::", 67))
            b = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            b.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); b.bind(("::", 547))
            c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); c.bind(("127.0.0.1", 99)); c.connect(("127.0.0.1", 9))
            print("ready", flush=True)
            sys.stdin.read()
            """
        let log = NSTemporaryDirectory() + "gatehouse-holder-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let input = Pipe()
        let python = try RunningProgram(
            ["python3", "-c", script], in: namespace, log: log, input: input.fileHandleForReading)
        #expect(eventually { python.said.contains("ready") }, "\(python.said)")
        let own = "python3 (pid \(python.identifier))"
        #expect(try find("0.0.0.0:67", over: .udp, in: namespace) == own)
        #expect(try find("192.0.2.1:67", over: .udp, in: namespace) == own)
        #expect(try find("0.0.0.0:67", over: .tcp, in: namespace) == nil)
        #expect(try find("[::1]:547", over: .udp, in: namespace) == own)
        #expect(try find("0.0.0.0:547", over: .udp, in: namespace) == nil)
        // A socket that talks to one place takes nothing from anybody.
        #expect(try find("127.0.0.1:99", over: .udp, in: namespace) == nil)
        withExtendedLifetime(input) {}
    }

    /// The service has no CAP_SYS_PTRACE.
    @Test func `of a program into which nobody may look its unit is told, or nothing`() throws {
        let namespace = try Namespace()
        try namespace.run("ip", "link", "set", "lo", "up")
        let log = NSTemporaryDirectory() + "gatehouse-holder-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let dnsmasq = try RunningProgram(
            [
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--bind-interfaces", "--listen-address=127.0.0.1", "--pid-file", "--user=root",
            ], in: namespace, log: log)
        #expect(try eventually { try find("127.0.0.1:53", over: .udp, in: namespace) != nil }, "\(dnsmasq.said)")
        let told = namespace.unprivileged(capabilities: 0) {
            PortHolder.find(Endpoint("127.0.0.1:53")!, over: .udp) ?? "nobody"
        }
        #expect(told == "nobody" || told.hasSuffix(".service"), "\(told)")
        withExtendedLifetime(dnsmasq) {}
    }
}
