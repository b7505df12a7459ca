import Address

/// What dnsmasq's lease file says, as far as it can be understood. Its writer reads packets of the home's devices, so that
/// nothing in it is trusted to be well formed.
package struct LeaseTable: Hashable, Sendable {
    /// As the file has them; one address is in it once.
    package var leases: [Lease] = []
    /// The lines that were skipped because they make no sense: how many, and the first of them.
    package var garbage: Garbage?

    package struct Garbage: Hashable, Sendable {
        package var count: Int
        /// Its number, from 1 on, and its beginning as plain text.
        package var firstNumber: Int
        package var firstText: String
    }

    /// More leases than these are not read: ranges are no longer (`Policy.longestRange`).
    package static let limit = 16384

    package init() {}

    /// A lease is a line `EXPIRY HARDWARE ADDRESS HOSTNAME CLIENT-ID` (lease_update_file in dnsmasq's lease.c). Behind a line
    /// `duid …` the leases of DHCPv6 follow, which name no hardware address; none is given where addresses come from router
    /// advertisements.
    package init(parsing text: [UInt8]) {
        var known: [IPAddress: Int] = [:]
        var isBehindDUID = false
        for (index, line) in text.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty { continue }
            let fields = line.split(separator: 0x20, omittingEmptySubsequences: false)
            if fields.count == 2, fields[0].elementsEqual("duid".utf8) {
                isBehindDUID = true
                continue
            }
            if isBehindDUID, fields.count == 5 { continue }
            guard let lease = Lease(fields), leases.count < Self.limit else {
                note(line, number: index + 1)
                continue
            }
            if let place = known[lease.address] {
                leases[place] = lease
            } else {
                known[lease.address] = leases.count
                leases.append(lease)
            }
        }
    }

    private mutating func note(_ line: ArraySlice<UInt8>, number: Int) {
        guard garbage == nil else {
            garbage?.count += 1
            return
        }
        let printable = line.prefix(60).map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }
        garbage = Garbage(
            count: 1, firstNumber: number,
            firstText: String(decoding: printable, as: UTF8.self) + (line.count > 60 ? "…" : ""))
    }
}

extension LeaseTable.Garbage: CustomStringConvertible {
    package var description: String {
        "\(count) line\(count == 1 ? "" : "s") of the lease file make\(count == 1 ? "s" : "") no sense and "
            + "\(count == 1 ? "is" : "are") skipped, the first is line \(firstNumber): \(firstText)"
    }
}

extension Lease {
    /// nil: the fields are no lease of DHCPv4.
    fileprivate init?(_ fields: [ArraySlice<UInt8>]) {
        guard fields.count == 5 else { return nil }
        let texts = fields.map { String(decoding: $0, as: UTF8.self) }
        // 0: it never ends. A number of a file that was written by hand may be too long for an Int.
        guard let expiry = Int(texts[0]), expiry >= 0, let hardware = HardwareAddress(texts[1]),
            let address = IPAddress(texts[2]), case .v4 = address
        else { return nil }
        self.init(
            hardware: hardware, address: address, hostname: Self.hostname(texts[3]), expiry: expiry == 0 ? nil : expiry)
    }

    /// `*`: the device gave no name. Of a name with a domain the first label counts.
    private static func hostname(_ text: String) -> String? {
        guard let label = text.lowercased().split(separator: ".").first, label.isHostLabel else { return nil }
        return String(label)
    }
}

extension StringProtocol {
    /// 1 to 63 letters, digits and hyphens, the hyphens neither first nor last (RFC 1123 §2.1).
    var isHostLabel: Bool {
        (1...63).contains(utf8.count) && first != "-" && !hasSuffix("-")
            && utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d: true
                default: false
                }
            }
    }
}
