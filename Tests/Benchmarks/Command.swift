import Glibc

/// The verbs of `gatehouse-load`.
enum Command {
    static let usage = """
        gatehouse-load: a load generator for proxies and for what is routed.

        gatehouse-load origin --port PORT [--threads N]
            The server of all measurements, on every loopback address.
        gatehouse-load down|up|sessions|requests|ping|udp|quic|idle|handshakes|encrypted --origin ADDRESS:PORT
            [--way direct|tcp|socks5|http] [--proxy ADDRESS:PORT] [--user NAME --password TEXT] [--watch PID] [--seconds S] [--threads N] [--count N]
            down, up   N flows in bulk                                  (default 8)
            sessions   connect, one request, close, N at once           (default 32); with --from ADDRESS not on loopback, but
                       from that address and 63 more to the origin's and 1023 more
            requests   N clients that ask over connections which are kept (default 32)
            ping       N flows of 64 bytes back and forth               (default 16)
            udp        N associations, 32 datagrams of --size bytes in each (default 8, 64)
            quic       the same, sent and received in runs as QUIC stacks do (default 8, 1200)
            idle       N tunnels that lie still, and sessions beside them (default 8000)
            handshakes  connect, TLS handshake, close, N at once        (default 32)
            encrypted   N flows in bulk from the origin, inside TLS to the proxy (default 8)
            Prints one record. With --watch it holds the CPU time, or the memory, of that process and its descendants.
        gatehouse-load household --origin ADDRESS:PORT --way socks5|http --proxy ADDRESS:PORT
            [--user NAME --password TEXT] [--seconds S] [--count N] [--namespaces NAME]
            N clients, each with an address of its own, that connect, ask, and pause (default 20); with --namespaces each in the network
            namespace of that name and the client's number. Prints one record: how long it took until the first byte.
        gatehouse-load attack KIND --way socks5|http --proxy ADDRESS:PORT --origin ADDRESS:PORT [--seconds S] [--count N] [--from ADDRESS] [--user NAME --password TEXT]
            N attackers (64) on one address (default 127.9.9.9; 0.0.0.0: this machine's own); \(Attack.Kind.allCases.map(\.rawValue).joined(separator: ", ")).
        gatehouse-load silence --proxy ADDRESS:PORT
            Takes datagrams there and answers none.
        gatehouse-load wait --proxy ADDRESS:PORT [--seconds S]
            Until something listens there.
        gatehouse-load tree --watch PID
            That process and its descendants.
        gatehouse-load table|show FILE
            A file of records as one table, or line by line.
        """

    static func run(_ arguments: [String]) throws(Failure) {
        let rest = arguments.dropFirst()
        switch arguments.first {
        case "origin":
            try serve(rest)
        case "down", "up", "sessions", "requests", "ping", "udp", "quic", "idle", "handshakes", "encrypted":
            try measure(arguments[0], rest)
        case "household":
            try household(rest)
        case "attack":
            try attack(rest)
        case "silence":
            try keepSilent(rest)
        case "wait":
            try wait(rest)
        case "tree":
            let options = try Options(rest, allowed: ["watch"])
            for pid in ProcessTree(root: try options.number("watch", default: 0, atLeast: 1)).pids() { print(pid) }
        case "table":
            for line in Table(try records(rest)).lines() { print(line) }
        case "show":
            for record in try records(rest) { print(Table.summary(of: record)) }
        case "help", "--help", "-h":
            print(usage)
        default:
            throw Failure("no such verb\n\(usage)")
        }
    }

    private static var cores: Int {
        max(1, min(4, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    }

    private static func serve(_ arguments: ArraySlice<String>) throws(Failure) {
        let options = try Options(arguments, allowed: ["port", "threads"])
        try Origin(
            port: options.number("port", default: 0, atLeast: 1),
            threads: options.number("threads", default: cores, atLeast: 1)
        ).run()
    }

    private static func measure(_ verb: String, _ arguments: ArraySlice<String>) throws(Failure) {
        let options = try Options(
            arguments,
            allowed: [
                "origin", "way", "proxy", "user", "password", "watch", "seconds", "threads", "count", "size", "from",
            ])
        guard let origin = try options.endpoint("origin") else { throw Failure("\(verb) needs --origin") }
        let route = try route(options)
        let watched = try options.text("watch") == nil ? nil : options.number("watch", default: pid_t(0), atLeast: 1)
        let plan = Course.Plan(
            threads: try options.number("threads", default: cores, atLeast: 1),
            seconds: try options.number("seconds", default: 3, atLeast: 0.1), watched: watched)

        switch verb {
        case "sessions":
            let count = try options.number("count", default: 32, atLeast: 1)
            let sessions = Sessions(
                route: route, origin: origin, atOnce: count, firstClient: try address("from", options))
            report(verb, try sessions.run(plan))
        case "requests":
            let count = try options.number("count", default: 32, atLeast: 1)
            report(verb, try Requests(route: route, origin: origin, clients: count).run(plan))
        case "ping":
            let count = try options.number("count", default: 16, atLeast: 1)
            report(verb, try PingPong(route: route, origin: origin, flows: count).run(plan))
        case "udp", "quic":
            let count = try options.number("count", default: 8, atLeast: 1)
            let size = try options.number("size", default: verb == "udp" ? 64 : 1200, atLeast: 1)
            let datagrams = Datagrams(
                route: route, origin: origin, associations: count, size: size, inRuns: verb == "quic")
            let result = try datagrams.run(plan)
            guard result.units > 0 else { throw Failure("not a datagram came back") }
            Record.print(
                "\(verb)-\(size)",
                [
                    "rate": Double(result.units) / result.seconds, "cpu": result.cpu.map { $0 / Double(result.units) },
                    "errors": Double(result.errors),
                ])
        case "idle":
            let count = try options.number("count", default: 8000, atLeast: 1)
            report(try Idle(route: route, origin: origin, tunnels: count, watched: watched).run(plan))
        case "handshakes":
            let count = try options.number("count", default: 32, atLeast: 1)
            report(verb, try Handshakes(route: route, origin: origin, atOnce: count).run(plan))
        case "encrypted":
            let count = try options.number("count", default: 8, atLeast: 1)
            try report(verb, bulk: EncryptedBulk(route: route, origin: origin, flows: count).run(plan))
        default:
            let count = try options.number("count", default: 8, atLeast: 1)
            let direction: Bulk.Direction = verb == "up" ? .up : .down
            let result = try Bulk(route: route, origin: origin, flows: count, direction: direction).run(plan)
            try report(Bulk.measure(verb, flows: count), bulk: result)
        }
    }

    private static func report(_ measure: String, bulk result: Course.Result) throws(Failure) {
        guard result.units > 0 else { throw Failure("not a byte moved") }
        Record.print(
            measure,
            [
                "gbit": Double(result.units) * 8e-9 / result.seconds,
                "cpu": result.cpu.map { $0 / (Double(result.units) * 1e-9) },
            ])
    }

    private static func report(_ verb: String, _ result: Course.Result) {
        Record.print(
            verb,
            [
                "rate": Double(result.units) / result.seconds,
                "cpu": result.cpu.map { $0 / Double(max(result.units, 1)) },
                "errors": Double(result.errors),
                "p50": Double(result.latencies.percentile(0.5)) * 1e-9,
                "p99": Double(result.latencies.percentile(0.99)) * 1e-9,
            ])
    }

    private static func report(_ result: Idle.Result) {
        let (without, beside) = (result.without, result.beside)
        var cpu: Double?
        if let first = without.cpu, let second = beside.cpu, first > 0, beside.units > 0 {
            cpu = second / Double(beside.units) / (first / Double(max(without.units, 1)))
        }
        let rate = Double(without.units) / without.seconds
        Record.print(
            "idle",
            [
                "tunnels": Double(result.tunnels), "bytes": result.bytesPerTunnel,
                "beside": rate > 0 ? Double(beside.units) / beside.seconds / rate : nil, "besideCPU": cpu,
                "errors": Double(result.broken + without.errors + beside.errors),
            ])
    }

    /// An address without a port; nil: the option is not there.
    private static func address(_ name: String, _ options: Options) throws(Failure) -> Endpoint? {
        guard let text = options.text(name) else { return nil }
        guard let endpoint = Endpoint("\(text):0") else { throw Failure("--\(name) \(text): want an address") }
        return endpoint
    }

    private static func route(_ options: Options) throws(Failure) -> Route {
        let word = options.text("way") ?? "direct"
        guard let way = Route.Way(rawValue: word) else {
            throw Failure("--way \(word): want direct, tcp, socks5 or http")
        }
        let proxy = try options.endpoint("proxy")
        guard way == .direct || proxy != nil else { throw Failure("--way \(word) needs --proxy") }
        let credentials = options.text("user").map { (user: $0, password: options.text("password") ?? "") }
        return Route(way: way, proxy: proxy ?? Endpoint(address: 0, port: 0), credentials: credentials)
    }

    private static func household(_ arguments: ArraySlice<String>) throws(Failure) {
        let options = try Options(
            arguments, allowed: ["origin", "way", "proxy", "user", "password", "seconds", "count", "namespaces"])
        guard let origin = try options.endpoint("origin") else { throw Failure("household needs --origin") }
        let result = Household(
            route: try route(options), origin: origin, clients: try options.number("count", default: 20, atLeast: 1),
            namespaces: options.text("namespaces")
        ).run(seconds: try options.number("seconds", default: 10.0, atLeast: 0.5))
        guard result.latencies.count > 0 else { throw Failure("not a session came through") }
        Record.print(
            "household",
            [
                "sessions": Double(result.latencies.count), "errors": Double(result.errors),
                "p50": Double(result.latencies.percentile(0.5)) * 1e-9,
                "p99": Double(result.latencies.percentile(0.99)) * 1e-9,
            ])
    }

    private static func attack(_ arguments: ArraySlice<String>) throws(Failure) {
        let words = Attack.Kind.allCases.map(\.rawValue)
        guard let word = arguments.first, let kind = Attack.Kind(rawValue: word) else {
            throw Failure("attack \(arguments.first ?? ""): want one of \(words.joined(separator: ", "))")
        }
        let options = try Options(
            arguments.dropFirst(), allowed: ["origin", "way", "proxy", "user", "password", "seconds", "count", "from"])
        guard let proxy = try options.endpoint("proxy"), let origin = try options.endpoint("origin") else {
            throw Failure("attack needs --proxy and --origin")
        }
        var attack = Attack(
            kind: kind, proxy: proxy, origin: origin, isSOCKS: options.text("way") == "socks5",
            attackers: try options.number("count", default: 64, atLeast: 1),
            credentials: (options.text("user") ?? "nobody", options.text("password") ?? ""))
        if let source = try address("from", options) { attack.source = source }
        Record.print(
            "attack", ["tries": Double(attack.run(seconds: try options.number("seconds", default: 10.0, atLeast: 0.5)))]
        )
    }

    private static func keepSilent(_ arguments: ArraySlice<String>) throws(Failure) -> Never {
        let options = try Options(arguments, allowed: ["proxy"])
        guard let place = try options.endpoint("proxy") else { throw Failure("silence needs --proxy") }
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard fd >= 0, place.withSockaddr({ bind(fd, $0, $1) }) == 0 else { throw Failure(errno: "cannot bind") }
        while true { pause() }
    }

    private static func wait(_ arguments: ArraySlice<String>) throws(Failure) {
        let options = try Options(arguments, allowed: ["proxy", "seconds"])
        guard let proxy = try options.endpoint("proxy") else { throw Failure("wait needs --proxy") }
        let seconds = try options.number("seconds", default: 10.0, atLeast: 0)
        let end = Clock.now() + UInt64(seconds * 1e9)
        while true {
            let fd = Socket.stream(blocking: true)
            defer { close(fd) }
            if proxy.withSockaddr({ connect(fd, $0, $1) }) == 0 { return }
            guard Clock.now() < end else { throw Failure("nothing listens on port \(proxy.port) after \(seconds) s") }
            Clock.sleep(seconds: 0.02)
        }
    }

    private static func records(_ arguments: ArraySlice<String>) throws(Failure) -> [Record] {
        guard let path = arguments.first else { throw Failure("which file of records?") }
        guard let file = fopen(path, "r") else { throw Failure(errno: path) }
        defer { fclose(file) }
        var records: [Record] = []
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let bytes = line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let record = Record(line: text) else { throw Failure("not a record: \(text)") }
            records.append(record)
        }
        return records
    }
}
