import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// One device asks for all that it can, and another one does not notice.
@Suite(
    "A device that floods the names", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(3)))
struct NameFloodTests {
    let home: Home
    let upstream: NameServer
    let flooder: Namespace
    let neighbour: Namespace

    init() throws {
        home = try Home()
        upstream = try NameServer(in: home.wan, Home.wanHost) { query in
            query.name.hasSuffix("slow.example") ? .silence : .addresses([Home.wanHost], seconds: 300)
        }
        try home.startNames(firewall: nil)
        flooder = try home.plugIn(21)
        neighbour = try home.plugIn(22)
        try home.meet(flooder, as: "flooder")
        try home.meet(neighbour, as: "neighbour")
    }

    private static func program(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().path + "/Clients/\(name).py"
    }

    private struct Course {
        var asked: Int
        var lost: Int
        var median: Double
        var p99: Double
        var longest: Double
    }

    /// What the neighbour's questions came to.
    private func pace(_ server: String, seconds: Int) throws -> Course {
        let said = try neighbour.run("python3", Self.program("name_pace"), server, "\(seconds)", "100")
        let figures = said.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        guard figures.count == 5 else { throw Failure(said) }
        return Course(
            asked: Int(figures[0]), lost: Int(figures[1]), median: figures[2], p99: figures[3], longest: figures[4])
    }

    /// Kilobytes that the role holds.
    private func memory() throws -> Int {
        let pid = try #require(try home.processes()["names"]?.first)
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1]))
    }

    @Test(
        "is held to its rate and its share, and told; its neighbour loses no question, and none is put aside",
        arguments: ["cached", "stream", "slow", "same"])
    func flood(kind: String) throws {
        let server = kind == "same" ? "fd77::1" : Home.gatewayOnLAN
        // Of names that nobody answers for as many as a build that is not optimised can take in.
        let rate = kind == "slow" || kind == "same" ? 4000 : 20000
        let quiet = try pace(server, seconds: 2)
        #expect(quiet.lost == 0)
        let before = try memory()
        let flood = try RunningProgram(
            ["python3", Self.program("name_flood"), server, kind, "\(rate)"], in: flooder,
            log: home.directory + "/flood")
        func flooded() -> (asked: Int, answered: Int, failed: Int) {
            let figures = flood.said.split(separator: "\n").last?.split(separator: " ").compactMap { Int($0) } ?? []
            return figures.count == 3 ? (figures[0], figures[1], figures[2]) : (0, 0, 0)
        }
        #expect(eventually(within: .seconds(20)) { flooded().asked > 5000 }, "\(flood.said)")
        let busy = try pace(server, seconds: 5)
        let after = try memory()
        let (asked, answered, failed) = flooded()
        let lines = flood.said.split(separator: "\n").count
        print(
            "a flood of \(kind): asked \(asked), answered \(answered), of these with a failure \(failed), in \(lines) s; "
                + "p99 of the neighbour \(quiet.p99) ms, then \(busy.p99) ms (longest \(busy.longest)); memory \(before), then \(after) kB"
        )
        #expect(busy.asked == 500 && busy.lost == 0, "\(busy)")
        // Beside it on one machine runs what floods; a question that was put aside would take a second.
        #expect(busy.p99 < 500, "\(quiet), then \(busy)")
        #expect(after - before < 16 << 10, "\(before), then \(after) kB")
        if kind == "stream" {
            // Its connections are those of all its addresses together, and its neighbour has room for its own.
            let more = try flooder.run(
                "python3", "-c",
                "import socket; s = socket.create_connection(('fd77::1', 53), 5); print(len(s.recv(1)))")
            #expect(more == "0\n")
            #expect(
                try neighbour.run("dig", "@\(server)", "+tcp", "+short", "+tries=1", "www.example")
                    == "\(Home.wanHost)\n")
        }
        // A second's worth may come at once.
        if kind != "stream" {
            #expect(asked > rate / 4 * lines && answered < 1000 * (lines + 3), "\(asked) \(answered) in \(lines) s")
        }
        let warning =
            kind == "same" || kind == "slow" ? "flooder has 256 questions" : "flooder asks for more than 1000 names"
        #expect(eventually { home.daemon?.said.contains(warning) == true }, "\(home.daemon?.said ?? "")")
        // It is told once, and not for each question.
        let said = home.daemon?.said ?? ""
        #expect(said.components(separatedBy: warning).count == 2, "\(said)")
        #expect(!said.contains("neighbour asks") && !said.contains("neighbour has"), "\(said)")
    }

    /// Sockets of the gateway for names over TCP, also those that no process holds any more.
    private func streams() throws -> Int {
        let shown = try home.gateway.run("ss", "-Htan", "sport = :53")
        return shown.split(separator: "\n").filter { !$0.hasPrefix("LISTEN") && !$0.hasPrefix("TIME-WAIT") }.count
    }

    @Test(
        "by holding connections has its sixteen, each for ten seconds, while the others are served, and leaves nothing behind",
        arguments: ["silent", "trickle", "deaf", "mute"])
    func held(kind: String) throws {
        let large = (0..<500).map {
            (type: UInt16(1), seconds: UInt32(300), data: [9, 0, UInt8($0 / 250), UInt8($0 % 250)])
        }
        upstream.answer { query in
            query.name == "large.example"
                ? .truncated(.messages([query.answer(records: large)])) : .addresses([Home.wanHost], seconds: 300)
        }
        // The answer is known before anybody asks for it in a hurry.
        let server = Home.gatewayOnLAN
        let known = try neighbour.run("dig", "@\(server)", "+tcp", "large.example")
        #expect(known.contains("ANSWER: \(large.count),"), "\(known)")
        let before = try memory()
        let holder = try RunningProgram(
            ["python3", Self.program("name_streams"), server, kind, "16"], in: flooder, log: home.directory + "/holder")
        #expect(eventually { holder.said.hasPrefix("open") }, "\(holder.said)")
        let busy = try pace(server, seconds: 5)
        #expect(busy.asked == 500 && busy.lost == 0 && busy.p99 < 500, "\(busy)")
        let after = try memory()
        #expect(after - before < 20 << 10, "\(before), then \(after) kB")
        // One more is ended at once, by whatever address it comes; datagrams are answered as before, unless its rate is used up.
        let more = try flooder.run(
            "python3", "-c",
            "import socket; s = socket.create_connection(('fd77::1', 53), 5); print(len(s.recv(1)))")
        #expect(more == "0\n", "\(holder.said)")
        #expect(
            try eventually {
                try flooder.attempt(["dig", "@\(server)", "+short", "www.example"]).output.contains(Home.wanHost)
            })
        #expect(
            try neighbour.run("dig", "@\(server)", "+tcp", "+short", "+tries=1", "www.example") == "\(Home.wanHost)\n")
        #expect(holder.ended(within: .seconds(20)) == 0, "\(holder.said)")
        let lasted = holder.said.split(separator: "\n").compactMap { Double($0) }
        print("connections that were \(kind) lasted \(lasted.min() ?? 0) to \(lasted.max() ?? 0) s")
        #expect(lasted.count == 16 && lasted.allSatisfy { (5..<14).contains($0) }, "\(lasted)")
        // Nor does the kernel keep what nobody took.
        #expect(
            try eventually(within: .seconds(2)) { try streams() == 0 }, "\((try? home.gateway.run("ss", "-tan")) ?? "")"
        )
        #expect(
            try flooder.run("dig", "@\(server)", "+tcp", "+short", "+tries=1", "www.example") == "\(Home.wanHost)\n")
    }

    @Test("is bounded as the operator says, by device, and over TCP is told why it gets no answer")
    func bound() throws {
        try home.ctl("limit", "set", "device", "flooder", "--questions", "5/s")
        #expect(try home.ctl("limit", "list").contains("device flooder"))
        let script = """
            import socket, sys, struct
            sys.path.insert(0, "\(URL(filePath: Self.program("dns")).deletingLastPathComponent().path)")
            import dns
            c = socket.create_connection(("\(Home.gatewayOnLAN)", 53))
            for n in range(20):
                q = dns.query(n, "www.example")
                c.sendall(struct.pack("!H", len(q)) + q)
            codes = []
            while len(codes) < 20:
                size = struct.unpack("!H", c.recv(2, socket.MSG_WAITALL))[0]
                codes.append(c.recv(size, socket.MSG_WAITALL)[3] & 15)
            print(codes.count(0), codes.count(5))
            """
        let said = try flooder.run("python3", "-c", script).split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        // One more for each fifth of a second that this takes.
        #expect(said.count == 2 && (4...12).contains(said[0]) && said[0] + said[1] == 20, "\(said)")
        // Its rate is that of all its addresses together.
        #expect(
            try eventually {
                try flooder.attempt([
                    "dig", "@fd77::1", "+tcp", "+keepopen", "+tries=1", "www.example", "www.example", "www.example",
                    "www.example",
                    "www.example", "www.example", "www.example", "www.example",
                ]).output.contains("EDE: 0 (Other): (too many questions in one second)")
            })
        #expect(try neighbour.run("python3", "-c", script) == "20 0\n")
        try home.ctl("limit", "set", "device", "flooder", "--questions", "none")
        #expect(try flooder.run("python3", "-c", script) == "20 0\n")
    }
}
