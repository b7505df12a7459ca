// What devices are called: as the operator says, or else as they say themselves, as long as that is nobody else's name.

package import Address

extension Policy {
    /// Names that are the gateway's own in the home's domain, or nobody's (RFC 6761 §6.3).
    private static let reserved: Set<String> = ["gatehouse", "localhost"]

    /// The name of each device that was seen, by its number; each is another one.
    package func deviceNames(in household: Household) -> [UInt16: String] {
        var taken = Self.reserved.union(devices.map(\.name))
        var names: [UInt16: String] = [:]
        let devices = devicesByHardware
        for member in household.members {
            if let device = devices[member.hardware] {
                names[member.number] = device.name
                continue
            }
            let name = [member.ownName, member.distinctName].compactMap(\.self).first { !taken.contains($0) }
            names[member.number] = name ?? member.fullName
            taken.insert(name ?? member.fullName)
        }
        return names
    }

    /// A sentence for each device that lays claim to what is another's.
    package func claims(in household: Household) -> [String] {
        let names = deviceNames(in: household)
        let named = devicesByHardware
        let reserved = devices.filter { $0.address != nil }
        return household.members.flatMap { member in
            var claims: [String] = []
            let name = names[member.number] ?? ""
            // Whom the operator has named may call itself what it likes.
            if let own = member.ownName, own != name, named[member.hardware] == nil {
                claims.append(
                    "\(member.hardware) calls itself \(own), which is another's name; it goes by \(name) here")
            }
            for device in reserved where device.hardware != member.hardware {
                guard let address = device.address, member.addresses.contains(address) else { continue }
                claims.append("\(name) (\(member.hardware)) uses \(address), which is the address of \(device.name)")
            }
            return claims
        }
    }

    /// The hardware of the device that `text` names: by its name, its hardware address, or an address that it has at present.
    package func hardware(named text: String, in household: Household) throws(Refusal) -> HardwareAddress {
        if let hardware = HardwareAddress(text) {
            guard !hardware.isGroup else {
                throw Refusal("\(hardware) is the address of a group, to which many listen; a device has another")
            }
            return hardware
        }
        if let device = device(named: text) { return device.hardware }
        let names = deviceNames(in: household)
        if let member = household.members.first(where: { names[$0.number] == text }) { return member.hardware }
        if let address = IPAddress(text) {
            if let member = household.members.first(where: { $0.addresses.contains(address) }) {
                return member.hardware
            }
            throw Refusal("no device has the address \(address) at the moment; `gatehousectl device list` shows them")
        }
        throw Refusal(
            "there is no device \(text.isEmpty ? "without a name" : text); `gatehousectl device list` shows them, and one that was "
                + "never seen is named by its hardware address")
    }

    /// RFC 1123 §2.1.
    package static func checkName(ofDevice name: String) throws(Refusal) {
        guard name == Household.Member.label(in: name), !reserved.contains(name) else {
            throw Refusal(
                "\(name.isEmpty ? "an empty text" : name) is no name for a device: letters, digits and `-` between them, all in "
                    + "lower case, 63 at most, like `tv` or `anna-phone`; and not \(listed(reserved.sorted()))")
        }
        guard HardwareAddress(name) == nil, !name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw Refusal("\(name) could be taken for a number; a device's name has a letter")
        }
    }
}

extension Household.Member {
    /// What it calls itself, as a name that it can have; nil: it does not, or nothing of it can be a name.
    package var ownName: String? { hostname.flatMap(Self.label) }

    /// As `ownName`, with the end of its hardware address, for whom the name alone is not free.
    fileprivate var distinctName: String { "\((ownName ?? "device").prefix(50))-\(digits.suffix(6))" }

    fileprivate var fullName: String { "device-\(digits)" }

    private var digits: String { hardware.description.filter { $0 != ":" } }

    /// The first label of a host name, in the letters that a name of ours has; nil: nothing is left.
    static func label(in hostname: String) -> String? {
        let allowed = hostname.lowercased().prefix { $0 != "." }.unicodeScalars.map { scalar -> Character in
            let isKept = ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar)
            return isKept ? Character(scalar) : "-"
        }
        let bare = String(allowed.prefix(63)).drop { $0 == "-" }
        guard let end = bare.lastIndex(where: { $0 != "-" }) else { return nil }
        return String(bare[...end])
    }
}
