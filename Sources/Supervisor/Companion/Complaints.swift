import Address

/// What dnsmasq says that somebody has to know: that another server gives addresses as well, that none are left, that one is
/// somebody else's already. It says so for each packet of a device, so that what is kept is bounded.
struct Complaints {
    /// What a line of its log is about.
    enum Topic: Hashable {
        /// A device asked for the address that another server had offered it.
        case otherServer(interface: String)
        /// A device asked for an address, and there was none.
        case noneLeft(interface: String)
        /// A device asked by an interface on which the gateway has no address in the range.
        case noRange(interface: String)
        /// A device found that the address that it was given is another's.
        case declined(interface: String)

        /// - Parameter line: without dnsmasq's name and process id.
        fileprivate init?(_ line: some StringProtocol) {
            let words = line.split(separator: " ")
            if line.hasPrefix("no address range available for DHCP request via "), let interface = words.last {
                self = .noRange(interface: String(interface))
                return
            }
            // `DHCPNAK(lan0) 192.168.0.17 52:54:00:12:34:56 wrong server-ID`
            guard let head = words.first, let open = head.firstIndex(of: "("), head.last == ")" else { return nil }
            let interface = String(head[head.index(after: open)...].dropLast())
            switch head[..<open] {
            case "DHCPNAK" where line.hasSuffix("wrong server-ID"): self = .otherServer(interface: interface)
            case "DHCPDISCOVER" where line.hasSuffix("no address available"),
                "DHCPREQUEST" where line.hasSuffix("no address available"),
                "DHCPNAK" where line.hasSuffix("no leases left"), "DHCPDISCOVER" where line.hasSuffix("no leases left"):
                self = .noneLeft(interface: interface)
            case "DHCPDECLINE": self = .declined(interface: interface)
            default: return nil
            }
        }
    }

    private struct Complaint {
        var time: ContinuousClock.Instant
        /// The device's hardware address, and the address that it asked for.
        var device: HardwareAddress?
        var address: IPAddress?
    }

    private var all: [Topic: Complaint] = [:]

    /// How long something is told that did not happen again.
    private static let life = Duration.seconds(600)
    /// An interface has a complaint of each kind, and no more interfaces are served.
    private static let capacity = 64

    /// Notes what a line of the log says.
    ///
    /// - Parameter line: without dnsmasq's name and process id.
    /// - Returns: whether it is news; nil: the line is about nothing of this.
    mutating func note(_ line: some StringProtocol, at now: ContinuousClock.Instant) -> Bool? {
        guard let topic = Topic(line) else { return nil }
        let words = line.split(separator: " ")
        let former = all[topic]
        guard former != nil || all.count < Self.capacity else { return false }
        all[topic] = Complaint(
            time: now, device: words.lazy.compactMap { HardwareAddress(String($0)) }.first,
            address: words.lazy.compactMap { IPAddress($0) }.first)
        return former.map { now - $0.time >= Self.life } ?? true
    }

    /// A sentence for each.
    ///
    /// - Parameter taken: how many addresses behind an interface are given out, and how many there are.
    func warnings(
        at now: ContinuousClock.Instant, taken: (_ interface: String) -> (taken: Int, all: Int, zone: String)?
    ) -> [String] {
        all.filter { now - $0.value.time < Self.life }.sorted { $0.value.time < $1.value.time }.map {
            topic, complaint in
            let device = complaint.device.map { "\($0)" } ?? "a device"
            switch topic {
            case .otherServer(let interface):
                let address = complaint.address.map { " \($0)" } ?? " an address"
                return
                    "another DHCP server answers on \(interface): it offered\(address) to \(device), and devices that take "
                    + "it do not get through; find it (a second router, most often) and switch its DHCP off"
            case .noneLeft(let interface):
                let count = taken(interface)
                let share = count.map { ": \($0.taken) of \($0.all) are given out" } ?? ""
                let zone =
                    count.map { "`gatehousectl zone set \($0.zone) --range`" } ?? "`gatehousectl zone set --range`"
                return
                    "no address is left on \(interface) for \(device)\(share); \(zone) gives out more, and many devices "
                    + "that nobody knows are somebody who takes them all"
            case .noRange(let interface):
                return
                    "devices on \(interface) ask for addresses, and the gateway has no address there in the range that it "
                    + "is to give out; `gatehousectl zone list` shows what there is"
            case .declined(let interface):
                let address = complaint.address.map { "\($0)" } ?? "an address"
                let zone = taken(interface).map { $0.zone } ?? "ZONE"
                return
                    "\(address) on \(interface) is in use by somebody who was not given it: \(device) found so, and got "
                    + "another; have what uses it ask for its address, or leave that out of the range (`gatehousectl zone "
                    + "set \(zone) --range`)"
            }
        }
    }
}
