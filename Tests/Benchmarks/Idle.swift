import Glibc

/// Many tunnels that have each carried one echo and then lie still: what the proxy's memory grew by, and what they take
/// from the sessions that go on beside them.
struct Idle {
    struct Result {
        var tunnels: Int
        var bytesPerTunnel: Double?
        var broken: Int
        /// Sessions without them, and then beside them.
        var without: Course.Result
        var beside: Course.Result
    }

    let route: Route
    let origin: Endpoint
    let tunnels: Int
    let watched: pid_t?

    /// A proxy is warm, and its lazily built parts are there, after this many tunnels; they are closed before the count begins.
    private static let warmUp = 64
    private static let sessionsAtOnce = 32

    func run(_ plan: Course.Plan) throws(Failure) -> Result {
        DescriptorLimit.raise()
        let crowd = Sessions(route: route, origin: origin, atOnce: Self.sessionsAtOnce)
        let processes = watched.map(ProcessTree.init(root:))
        for fd in try open(Self.warmUp) { close(fd) }
        let without = try crowd.run(plan)
        Clock.sleep(seconds: 1)
        let before = processes?.memory() ?? 0
        let sockets = try open(tunnels)
        defer { for fd in sockets { close(fd) } }
        Clock.sleep(seconds: 1)
        let after = processes?.memory() ?? 0
        let beside = try crowd.run(plan)
        // A tunnel that the proxy has quietly dropped must not count as cheap.
        let broken = sockets.reduce(0) { $0 + (echoes($1) ? 0 : 1) }
        let growth = Double(after - before) / Double(max(tunnels, 1))
        return Result(
            tunnels: tunnels, bytesPerTunnel: processes == nil ? nil : growth, broken: broken, without: without,
            beside: beside)
    }

    private func open(_ count: Int) throws(Failure) -> [Int32] {
        var sockets: [Int32] = []
        sockets.reserveCapacity(count)
        for number in 0..<count {
            do throws(Failure) {
                let fd = try route.open(to: Sessions.origin(UInt32(number), port: origin.port))
                sockets.append(fd)
                var service = Service.echo.rawValue
                guard send(fd, &service, 1, 0) == 1, echoes(fd) else {
                    throw Failure("no echo")
                }
            } catch {
                for fd in sockets { close(fd) }
                throw Failure("tunnel \(number + 1) of \(count): \(error)")
            }
        }
        return sockets
    }

    private func echoes(_ fd: Int32) -> Bool {
        var byte: UInt8 = 0x67
        var answer: UInt8 = 0
        return send(fd, &byte, 1, 0) == 1 && recv(fd, &answer, 1, 0) == 1 && answer == byte
    }
}
