import Address
import Admin
import Machine

/// What a device of the home offers to its neighbours, asked from here: by whoever runs this command, and not by the daemon, which sends
/// nothing into the network.
struct DeviceAudit {
    private struct Report: Encodable {
        /// What was found at an address.
        enum Presence: String, Encodable {
            case there
            /// Nobody has the address at present.
            case away
            /// Somebody has it who says nothing.
            case silent
        }

        struct Place: Encodable {
            var address: IPAddress
            var presence: Presence
        }

        var device: String
        var hardware: HardwareAddress
        var zone: String?
        var places: [Place] = []
        var offers: [DeviceOffer] = []
        /// Ports that were looked at over TCP, at each address.
        var ports: Int
        var milliseconds = 0
    }

    private let device: DeviceStatus
    private let isWhole: Bool
    private let global: GlobalOptions

    /// A device has an IPv4 address, one or two of each network over IPv6, and old ones that it forgets.
    private static let mostAddresses = 4

    init(of word: String, asking daemon: Daemon, isWhole: Bool, _ global: GlobalOptions) throws {
        let devices = try daemon.ask(ListDevices()).devices
        let (address, hardware) = (IPAddress(word)?.unmapped, HardwareAddress(word))
        let found =
            devices.first { $0.name == word }
            ?? devices.first { device in
                hardware == device.hardware || address.map { device.addresses.contains($0) } ?? false
            }
            ?? devices.first { $0.name.lowercased() == word.lowercased() }
        guard let found else {
            throw Failure("no device of the home is or has \(word); `gatehousectl device list` shows them")
        }
        (device, self.isWhole, self.global) = (found, isWhole, global)
    }

    func run() throws {
        let start = ContinuousClock.now
        let ports = isWhole ? Array(1...UInt16.max) : HomeService.wellKnown
        var report = Report(device: device.name, hardware: device.hardware, zone: device.zone, ports: ports.count)
        let progress = ProgressLine(global)
        // IPv4 first, then what leads furthest.
        let addresses = device.addresses.sorted { ($0.rank, $0.description) < ($1.rank, $1.description) }
        for address in addresses.prefix(Self.mostAddresses) {
            progress.show("\(device.name): is anybody at \(address)?")
            let scan = PortScan(of: address, on: device.interface)
            let first = scan.look()
            guard !first.isForbidden else {
                progress.clear()
                throw Failure(
                    "this machine's own firewall lets nothing out to \(address); `gatehousectl why gateway \(address)` says why"
                )
            }
            guard !first.isAway else {
                report.places.append(.init(address: address, presence: .away))
                continue
            }
            let result = scan.run(ports) { done in
                progress.show("\(device.name): \(done) of \(ports.count) ports at \(address)")
            }
            progress.show("\(device.name): what do they say at \(address)?")
            let interview = Interview(of: address, on: device.interface)
            let offers =
                interview.hear(result.open).map { DeviceOffer($0, transport: "tcp", at: address) }
                + interview.hearDatagrams().map { DeviceOffer($0, transport: "udp", at: address) }
            let isThere = first.isThere || result.isThere || !offers.isEmpty
            report.places.append(.init(address: address, presence: isThere ? .there : .silent))
            for offer in offers {
                if let index = report.offers.firstIndex(where: { $0.isSame(as: offer) }) {
                    report.offers[index].addresses.append(address)
                } else {
                    report.offers.append(offer)
                }
            }
        }
        progress.clear()
        report.offers.sort { ($0.transport, $0.port) < ($1.transport, $1.port) }
        report.milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        guard report.places.contains(where: { $0.presence != .away }) else {
            let places = report.places.map { "\($0.address)" }.joined(separator: ", ")
            throw Failure(
                "\(device.name) is away or asleep: "
                    + (places.isEmpty ? "it has no address at present" : "nobody answers at \(places)"))
        }
        if global.json {
            print(String(decoding: JSON.encode(report, pretty: true), as: UTF8.self))
        } else {
            present(report)
        }
    }

    private func present(_ report: Report) {
        let there = report.places.filter { $0.presence != .away }.map { "\($0.address)" }.joined(separator: ", ")
        let name = Output.standard.styled(printable(report.device), .bold)
        print("\(name) (\(report.hardware)\(report.zone.map { ", zone \(printable($0))" } ?? "")) at \(there)")
        print()
        if report.offers.isEmpty {
            let isSilent = report.places.allSatisfy { $0.presence != .there }
            print(isSilent ? "It is there and says nothing to anybody." : "It offers nothing to its neighbours.")
        } else {
            present(report.offers, at: report.places)
        }
        print()
        let places = report.places.filter { $0.presence == .away }.map { "\($0.address)" }
        if !places.isEmpty { print("Nobody answers at \(places.joined(separator: ", ")), which it had before.") }
        let hidden = device.addresses.count - report.places.count
        if hidden > 0 {
            print("\(counted(hidden, "more address")) of it \(hidden == 1 ? "was" : "were") not looked at.")
        }
        let seconds = "\(report.milliseconds / 1000).\(report.milliseconds / 100 % 10)"
        print(
            "\(report.ports) ports were looked at over TCP, and 5 services asked for over UDP, in \(seconds) s."
                + (isWhole ? "" : " --all looks at every port over TCP."))
    }

    private func present(_ offers: [DeviceOffer], at places: [Report.Place]) {
        var table = Table(
            .text("PORT"), .text("SERVICE"), .text("VERDICT"), .text("SAYS", rank: 1), .text("ONLY AT", rank: 2))
        let all = places.count { $0.presence == .there }
        for offer in offers {
            table.add(
                .init("\(offer.transport) \(offer.port)"), .init(printable(offer.service)), verdict(offer.verdict),
                offer.says.map { .init(printable($0)) } ?? .init("-", .dim),
                offer.addresses.count == all
                    ? .init("-", .dim) : .init(offer.addresses.map(\.description).joined(separator: ", ")))
        }
        table.show()
        let remarks = offers.filter { $0.why != nil }
        if !remarks.isEmpty { print() }
        for offer in remarks {
            let mark = Output.standard.styled("!", offer.verdict == .bad ? .bad : .doubtful)
            print("\(mark) \(offer.transport) \(offer.port): \(offer.why ?? ""); \(offer.advice ?? "")")
        }
    }

    private func verdict(_ verdict: DeviceOffer.Verdict) -> Table.Cell {
        switch verdict {
        case .usual: .init("usual", .good)
        case .doubtful: .init("doubtful", .doubtful)
        case .bad: .init("bad", .bad)
        }
    }
}

extension IPAddress {
    fileprivate var rank: Int {
        switch self {
        case .v4: 0
        case .v6(let bits): bits >> 118 == 0xfe80 >> 6 ? 2 : 1
        }
    }
}
