import Address
import Admin
import ArgumentParser
import Glibc
import Policy

struct WhyVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why", abstract: "Why somebody gets somewhere, or does not.",
        discussion: """
            Follows what SOURCE sends to DESTINATION through zone, device, names, ruleset, NAT, proxy rules and limits, by the \
            code that decides about real packets, and says at each place what is found and which revision brought it. Rules of \
            other tables are not read: where one has a chain on the way that drops by its policy or by its last rule, it is \
            reached "unless" that chain drops it.

            SOURCE is a device by its name, its hardware address or an address that it has, any other address, internet, or \
            gateway: then it is a program of this machine itself, of root or of the account that --user names. \
            DESTINATION is a name, an address, a device, or gateway, which is this machine; without a port it is 443.

            EXAMPLES:
              gatehousectl why tv www.example.org
              gatehousectl why 192.168.1.20 9.9.9.9:53 --udp
              gatehousectl why internet gateway:22
              gatehousectl why laptop printer:631
              gatehousectl why gateway 9.9.9.9:6667 --user games
            """)

    @Argument(help: "Who sends.", completion: .column(1, ofVerb: "device"))
    var source: String

    @Argument(help: ArgumentHelp("Where to: HOST, HOST:PORT or [ADDRESS]:PORT.", valueName: "destination"))
    var destination: String

    @Flag(help: "Datagrams, in place of a TCP connection.")
    var udp = false

    @Option(help: ArgumentHelp("With the source gateway: whose program it is.", valueName: "account"))
    var user: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private struct Target {
        var host: String
        var port: UInt16?
    }

    func validate() throws { _ = try target() }

    private func target() throws -> Target {
        if IPAddress(destination) != nil { return Target(host: destination) }
        if let endpoint = Endpoint(destination) { return Target(host: "\(endpoint.address)", port: endpoint.port) }
        guard let colon = destination.lastIndex(of: ":") else { return Target(host: destination) }
        if HardwareAddress(destination) != nil { return Target(host: destination) }
        guard let port = parsePort(destination[destination.index(after: colon)...]) else {
            throw ValidationError("The value '\(destination)' is invalid: a port is a number from 1 to 65535")
        }
        return Target(host: String(destination[..<colon]), port: port)
    }

    func run() throws {
        let target = try target()
        let call = Explain(
            source: source, destination: target.host, knownAddresses: Self.addresses(of: target.host),
            port: target.port,
            transport: udp ? .udp : .tcp, user: user)
        try Daemon(global).show(call, present)
    }

    /// By this machine's own name servers; none where it is no name.
    private static func addresses(of host: String) -> [IPAddress]? {
        guard IPAddress(host) == nil, host.contains(".") else { return nil }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return nil }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var entry = list
        while let current = entry {
            if let pointer = current.pointee.ai_addr, let endpoint = Endpoint(socketAddress: pointer) {
                found.append(endpoint.address)
            }
            entry = current.pointee.ai_next
        }
        return found
    }

    private func present(_ reply: Explain.Reply) {
        let output = Output.standard
        let width = reply.steps.map(\.place.count).max() ?? 0
        for step in reply.steps {
            let (mark, style): (String, Output.Style) =
                switch step.outcome {
                case .goesOn: ("→", .good)
                case .stops: ("✗", .bad)
                case .tells: ("·", .dim)
                }
            let gap = String(repeating: " ", count: width - step.place.count)
            let revision = step.revision.map { output.styled("  (revision \($0))", .dim) } ?? ""
            print("\(output.styled(mark, style)) \(printable(step.place))\(gap)  \(printable(step.text))\(revision)")
        }
        print(
            output.styled(printable(reply.verdict), !reply.isReached ? .bad : reply.unless.isEmpty ? .good : .doubtful))
    }
}
