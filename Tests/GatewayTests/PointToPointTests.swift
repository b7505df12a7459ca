import Foundation
import TestNetwork
import Testing

/// A line without hardware addresses and with one address at either end, as PPP over Ethernet and mobile networks have it: two TUN
/// devices (tuntap.rst of Linux), between which a program passes packets on.
@Suite(
    "A line to the provider that is no Ethernet", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(2)))
struct PointToPointTests {
    private let home: Home
    private let services: Services

    init() throws {
        home = try Home()
        try home.wan.run("ip", "address", "add", "9.9.9.9/32", "dev", "lo")
        services = try Services(in: home.wan, ports: [4000])
        try home.gateway.run("ip", "link", "set", "wan0", "down")
    }

    private func dial(_ address: String) throws -> RunningProgram {
        let script = """
            import ctypes, fcntl, os, select, struct, sys
            def tun(space, name):
                if ctypes.CDLL(None).setns(os.open(space, os.O_RDONLY), 0x40000000): sys.exit("setns")
                line = os.open("/dev/net/tun", os.O_RDWR)
                fcntl.ioctl(line, 0x400454ca, struct.pack("16sH", name, 0x1001))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
                return line
            ends = [tun(sys.argv[1], b"ppp0"), tun(sys.argv[2], b"ppp1")]
            print("up", flush=True)
            while True:
                for end in select.select(ends, [], [])[0]:
                    try: os.write(ends[1 - ends.index(end)], os.read(end, 2048))
                    except OSError: pass
            """
        let line = try RunningProgram(
            ["/usr/bin/python3", "-c", script, home.gateway.path, home.wan.path], in: home.gateway,
            log: home.directory + "/line-\(address)")
        guard eventually({ line.said.contains("up") }) else { throw Failure(line.said) }
        for (host, own, name, other) in [
            (home.gateway, address, "ppp0", "100.64.0.1"), (home.wan, "100.64.0.1", "ppp1", address),
        ] {
            try host.run("ip", "address", "add", own, "peer", other, "dev", name)
            try host.run("ip", "link", "set", name, "mtu", "1492", "up")
        }
        try home.gateway.run("ip", "route", "add", "default", "dev", "ppp0")
        return line
    }

    private func reaches() -> Bool {
        let script = "exec 3<>/dev/tcp/9.9.9.9/4000 && echo word >&3 && head -c 4 <&3"
        return (try? home.lan.attempt(["timeout", "2", "bash", "-c", script]).output) == "word"
    }

    @Test("carries the home; it may go, and come again with another address, and what had the old one ends")
    func line() throws {
        try home.start(firewall: nil)
        var line: RunningProgram? = try dial("100.64.3.4")
        try home.ctl("setup", "--lan", "lan0", "--wan", "ppp0")
        #expect(eventually { reaches() }, "\((try? home.ctl("status")) ?? "")")
        let early = try Peer(to: "9.9.9.9", 4000, from: home.lan)
        try early.send("word")
        #expect(try early.receive(exactly: 4) == Array("word".utf8))
        // Segments that fit into the line, whatever the home's Ethernet takes (RFC 879).
        let sizes = try home.lan.run("ss", "-tinH", "dst", "9.9.9.9")
        #expect(sizes.contains("mss:1440"), "\(sizes)")
        withExtendedLifetime(line) {}
        line = nil
        #expect(try eventually { try home.gateway.attempt(["ip", "link", "show", "ppp0"]).status != 0 })
        #expect(!reaches())
        line = try dial("100.64.9.9")
        #expect(eventually { reaches() }, "\((try? home.ctl("status")) ?? "")")
        #expect(try eventually { try !home.gateway.run("conntrack", "-L").contains("dst=100.64.3.4") })
        // From the internet nothing is open.
        let scan = try home.wan.run(
            "nmap", "-Pn", "-n", "-p", "22,53,80,853,1080,3128", "--max-retries", "1", "100.64.9.9")
        #expect(!scan.contains(#/\d+\/tcp +open/#), "\(scan)")
        withExtendedLifetime(line) {}
    }
}
