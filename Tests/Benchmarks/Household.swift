import CEpoll
import Glibc
import Synchronization

/// The clients of a home as they are: each on an address of its own, one session after the other with a pause between, and what they
/// notice is how long it takes until the first byte comes.
struct Household: Sendable {
    let route: Route
    let origin: Endpoint
    let clients: Int
    /// Each client is in a network namespace of its own, whose name is this and the client's number, from 1 on; nil: all are here, with
    /// addresses of their own.
    var namespaces: String?

    struct Result {
        var latencies = Histogram()
        var errors = 0
    }

    /// The first client's address is 127.3.0.1.
    private static let addresses: UInt32 = 0x7F03_0001
    private static let pause: useconds_t = 20_000

    func run(seconds: Double) -> Result {
        let end = Clock.now() + UInt64(seconds * 1e9)
        let result = Mutex(Result())
        let running = Atomic<Int>(clients)
        for client in 0..<UInt32(clients) {
            Thread.start {
                var (latencies, errors) = (Histogram(), 0)
                if let namespaces, !enter("/run/netns/\(namespaces)\(client + 1)") { errors += 1 }
                let source = Endpoint(address: namespaces == nil ? Self.addresses + client : 0, port: 0)
                while Clock.now() < end {
                    let began = Clock.now()
                    if ask(from: source) {
                        latencies.record(Clock.now() - began)
                    } else {
                        errors += 1
                    }
                    usleep(Self.pause)
                }
                result.withLock {
                    $0.latencies.add(latencies)
                    $0.errors += errors
                }
                running.subtract(1, ordering: .sequentiallyConsistent)
            }
        }
        while running.load(ordering: .sequentiallyConsistent) > 0 { usleep(5000) }
        return result.withLock { $0 }
    }

    /// The calling thread alone, with all sockets that it makes from now on.
    private func enter(_ path: String) -> Bool {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        defer { if fd >= 0 { close(fd) } }
        return fd >= 0 && setns(fd, 0x4000_0000) == 0  // CLONE_NEWNET
    }

    /// Whether a whole response came.
    private func ask(from source: Endpoint) -> Bool {
        guard let fd = Socket.connected(to: route.firstHop(to: origin), from: source) else { return false }
        defer { close(fd) }
        do throws(Failure) { try route.shakeHands(fd, origin) } catch { return false }
        var request = [UInt8](repeating: 0x67, count: Exchange.request)
        request[0] = Service.exchange.rawValue
        guard send(fd, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return false }
        var response = [UInt8](repeating: 0, count: Exchange.response)
        return recv(fd, &response, response.count, Int32(MSG_WAITALL)) == response.count
    }
}
