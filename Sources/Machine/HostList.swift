import Address

/// What hosts(5) says, turned round: a line for each name, in the order of the names' bytes, with its addresses behind it. So
/// it can be handed to another process as it is and searched there, however long it is.
package struct HostList: Hashable, Sendable {
    /// `printer 192.168.1.9 fd00::9`, names in lower case.
    package let text: [UInt8]

    private static let mostNames = 2_000_000

    package init() { text = [] }

    /// - Parameter text: the file. What cannot be read of it is passed over.
    package init(parsing text: [UInt8]) {
        var entries: [(name: String, address: String)] = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let fields = line.prefix { $0 != UInt8(ascii: "#") }.split(whereSeparator: \.isBlank)
            guard fields.count > 1, entries.count < Self.mostNames,
                let address = IPAddress(String(decoding: fields[0], as: UTF8.self))
            else { continue }
            let text = "\(address)"
            for field in fields[1...] { if let name = Self.name(field) { entries.append((name, text)) } }
        }
        // In the file's order for one name.
        let order = entries.indices.sorted { left, right in
            entries[left].name == entries[right].name ? left < right : entries[left].name < entries[right].name
        }
        var turned: [UInt8] = []
        var last: Int?
        for index in order {
            if let last, entries[last].name == entries[index].name {
                turned.append(UInt8(ascii: " "))
            } else {
                if last != nil { turned.append(UInt8(ascii: "\n")) }
                turned += entries[index].name.utf8
                turned.append(UInt8(ascii: " "))
            }
            turned += entries[index].address.utf8
            last = index
        }
        if last != nil { turned.append(UInt8(ascii: "\n")) }
        self.text = turned
    }

    private static func name(_ field: ArraySlice<UInt8>) -> String? {
        var bytes = field
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard (1...253).contains(bytes.count) else { return nil }
        var name = [UInt8](bytes)
        for index in name.indices {
            switch name[index] {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): name[index] |= 0x20
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "."), UInt8(ascii: "_"):
                break
            default: return nil
            }
        }
        return String(decoding: name, as: UTF8.self)
    }
}
