import CLinux
import Glibc
import Policy
import Reactor

/// What the supervisor tells the process that is to become a program of others. With it come the descriptors that the program
/// gets: its leases as 0, its log as 1 and 2, its configuration as 3.
struct CompanionOrder: Codable {
    /// nil: the supervisor's own user.
    var user: UnixUser?
    var path: String
    var arguments: [String]
    var logLevel: String
}

/// The process that becomes a program of others: gives up all that the program does not need, then is it. What holds for the
/// process when the program takes it over holds for the program.
package enum CompanionHost {
    /// All that it is started with.
    package static let title = "gatehoused: companion"
    /// Where the parent left the channel; the next number is a copy of it (`linux_spawn_self`).
    private static let channelNumber: Int32 = 3
    private static let configurationNumber: Int32 = 3
    /// As an argument for dnsmasq.
    static let configurationPath = "/proc/self/fd/\(configurationNumber)"

    /// Never returns.
    package static func run() -> Never {
        do throws(Refusal) {
            Privileges.becomeExpendable()
            close(channelNumber + 1)
            let (order, descriptors) = try receive()
            // Out of the way of the numbers that the program finds its own at.
            let channel = fcntl(channelNumber, F_DUPFD_CLOEXEC, 10)
            for (descriptor, numbers) in zip(descriptors, [[0], [1, 2], [configurationNumber]]) {
                // dup2(2) to the same number would leave it closed in the program.
                let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 10)
                for number in numbers where dup2(copy, number) < 0 { throw Refusal("dup2 failed: \(Errno(errno))") }
            }
            let log = Log.start(label: "companion", level: order.logLevel)
            try Privileges.keepNetwork(as: order.user)
            let listener = Sandbox.enterCompanion(order.path, log: log)
            var word: UInt8 = 0
            guard linux_send_packet(channel, &word, 1, [listener], listener < 0 ? 0 : 1) == 1 else {
                throw Refusal("the supervisor is gone")
            }
            var arguments = order.arguments.map { strdup($0) } + [nil]
            var environment: [UnsafeMutablePointer<CChar>?] = [nil]
            let result = linux_execute(order.path, &arguments, &environment)
            throw Refusal("\(order.path) cannot be started: \(Errno(-result))")
        } catch {
            let line = Array("\(error)\n".utf8)
            _ = write(2, line, line.count)
            exit(71)
        }
    }

    private static func receive() throws(Refusal) -> (CompanionOrder, [Int32]) {
        var poll = pollfd(fd: channelNumber, events: Int16(POLLIN), revents: 0)
        while Glibc.poll(&poll, 1, -1) < 0 && errno == EINTR {}
        var bytes = [UInt8](repeating: 0, count: Channel.packetLimit)
        var descriptors = [Int32](repeating: -1, count: Channel.descriptorLimit)
        var count: Int32 = 0
        let length = linux_receive_packet(channelNumber, &bytes, bytes.count, &descriptors, &count)
        guard length > 0, count == 3, let order = Message.decode(CompanionOrder.self, from: Array(bytes[..<length]))
        else { throw Refusal("the supervisor sent something that is no order") }
        return (order, Array(descriptors[..<3]))
    }
}
