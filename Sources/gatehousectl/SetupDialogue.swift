import Address
import Admin
import Policy

/// `setup` with a person at the terminal: shows, proposes, asks, applies on trial, counts down.
struct SetupDialogue {
    static let noHome = Failure(
        "no interface has an address on which the proxies could listen; give one to the home's interface first")

    let daemon: Daemon
    let verb: SetupVerb

    func run() throws {
        let machine = try daemon.ask(GetMachine())
        present(machine)
        var request = try chooseSides(machine)
        if request.serve == nil, request.internet != nil || machine.zones.contains(Zone.internet) {
            request.serve = try Question.choice(
                "Give the home's devices addresses and names (DHCP, DNS)?",
                usual: machine.lacksHomeAddress(request.home))
        }
        var preview = try daemon.preview(request)
        try keepSSH(&request, &preview)
        present(preview)
        guard !preview.changes.isEmpty else { return try presentEnd() }
        guard try Question.choice("Go ahead?", usual: false) else { return print("Nothing was changed.") }
        var manner = verb.manner.manner
        manner.trial = manner.trial ?? Manner.usualTrial
        let applied = try daemon.ask(request, manner)
        print()
        for warning in applied.warnings { warn(warning) }
        if let trial = applied.trial {
            if !trial.endangered.isEmpty { trial.present() }
            switch try Countdown(daemon: daemon, revision: applied.revision).run() {
            case .kept: print("Kept: revision \(applied.revision) is in force for good.")
            case .reverted: throw Failure("not confirmed in time; everything is as it was before")
            }
        }
        try presentEnd()
    }

    private func present(_ machine: GetMachine.Reply) {
        var table = Table(.text("INTERFACE"), .text("ADDRESS"), .text("LINK"), .text("ROUTE"), .text("LOOKS LIKE"))
        for interface in machine.interfaces where interface.name != "lo" {
            let looks: Table.Cell =
                switch interface.name {
                case machine.proposal?.home where machine.proposal?.internet == nil: .init("home and internet", .good)
                case machine.proposal?.home: .init("home", .good)
                case machine.proposal?.internet: .init("internet", .doubtful)
                default: "-"
                }
            table.add(
                .init(interface.name), .init(interface.addresses.first ?? "-"),
                interface.hasCarrier ? "up" : "down",
                interface.hasDefaultRoute ? "default" : "-", looks)
        }
        table.show()
        print()
    }

    private func chooseSides(_ machine: GetMachine.Reply) throws -> Setup {
        let names = machine.interfaces.map(\.name).filter { $0 != "lo" }
        var home = verb.home
        var internet = verb.internet
        if home == nil {
            guard let proposal = machine.proposal ?? names.first.map({ Sides(home: $0) }) else { throw Self.noHome }
            home = try Question.word("Which interface leads to the home?", usual: proposal.home, among: names)
            let others = names.filter { $0 != home }
            if internet == nil, !others.isEmpty {
                let usual = proposal.internet.flatMap { others.contains($0) ? $0 : nil } ?? "none"
                let word = try Question.word("And which to the internet?", usual: usual, among: others + ["none"])
                internet = word == "none" ? nil : word
            }
        }
        return Setup(
            home: home ?? "", internet: internet, allowSSH: verb.allowsSSH,
            sshSources: verb.sshSources.isEmpty ? nil : verb.sshSources, force: verb.force ? true : nil,
            address: verb.address, serve: verb.serve)
    }

    /// Whoever came in over SSH is not to be shut out by an answer that nobody gave.
    private func keepSSH(_ request: inout Setup, _ preview: inout Applied) throws {
        let lost = connectedToSSH(preview)
        let isCut = preview.consequences?.cuts.contains { $0.transport == .tcp && $0.port == 22 } ?? false
        if !request.allowSSH, isCut {
            for connection in lost { print("Connected to SSH now: \(connection)") }
            request.allowSSH = try Question.choice("Keep SSH (port 22) open from the home?", usual: true)
            preview = try daemon.preview(request)
        }
        let others = Set(connectedToSSH(preview).map(\.client))
        for client in others.sorted(by: { "\($0)" < "\($1)" }) {
            if try Question.choice("Keep it open for \(client) as well, which is not in the home?", usual: false) {
                request.sshSources = (request.sshSources ?? []) + [Network(client, prefix: 128)]
            }
        }
        if !others.isEmpty { preview = try daemon.preview(request) }
    }

    private func connectedToSSH(_ preview: Applied) -> [Endangered] {
        (preview.consequences?.endangered ?? []).filter { $0.port == 22 }
    }

    private func present(_ preview: Applied) {
        guard !preview.changes.isEmpty else { return print("Nothing to change: this machine is set up like that.") }
        print()
        print(Output.standard.styled("What will be different:", .bold))
        for change in preview.changes { Output.standard.print(change: change) }
        preview.consequences?.present()
        for warning in preview.warnings { warn(warning) }
        print()
    }

    /// The page for the devices.
    private func presentEnd() throws {
        print()
        let settings = ClientSettings(try daemon.ask(GetClientSetup()).offers)
        guard !settings.isEmpty else { return }
        ClientSetupVerb.present(settings)
        ClientSetupVerb.presentCode(of: settings)
        try presentIPv6()
    }

    /// What a device that knows IPv6 alone lacks; nothing where it lacks nothing.
    func presentIPv6() throws {
        let machine = try daemon.ask(GetMachine())
        let offers = try daemon.ask(GetClientSetup()).offers
        let port = offers.first { $0.kind == .http }?.endpoint.port ?? 3128
        guard let address = machine.homeIPv6, !offers.isEmpty, offers.allSatisfy(\.endpoint.isIPv4) else { return }
        print("For devices that know IPv6 alone there is none yet at \(address) of the home:")
        print("`gatehousectl listener add http [\(address)]:\(port) --from home`")
    }
}

extension GetMachine.Reply {
    /// The zones that have an interface.
    fileprivate var zones: Set<String> { Set(interfaces.compactMap(\.zone)) }

    /// Nobody else can be serving a home that has no address. A link-local one each interface has by itself.
    fileprivate func lacksHomeAddress(_ interface: String) -> Bool {
        guard let found = interfaces.first(where: { $0.name == interface }) else { return false }
        return found.addresses.allSatisfy { text in IPAddress(text.prefix { $0 != "/" })?.special == .linkLocal }
    }

    /// The home's own IPv6 address, or the first one that means something beyond its link; nil: it has none.
    fileprivate var homeIPv6: IPAddress? {
        let home = interfaces.filter { $0.zone == Zone.home }
        let addresses = home.flatMap(\.addresses).compactMap { text -> IPAddress? in
            guard let address = IPAddress(text.prefix { $0 != "/" }), case .v6 = address else { return nil }
            return address.special == .linkLocal ? nil : address
        }
        return addresses.first { $0.special == .privateRange } ?? addresses.first
    }
}

extension Endpoint {
    fileprivate var isIPv4: Bool { if case .v4 = address { true } else { false } }
}
