extension HTTPFields {
    /// The fields that Connection names, except the ones that are always about the connection (RFC 9110 §7.6.1).
    var namesInConnection: [Range<Int>] {
        var names: [Range<Int>] = []
        forEachMember(of: .connection) { range in
            let option = bytes[range]
            for known in ["keep-alive", "close", "upgrade"] where equalsIgnoringCase(option, known.utf8) { return }
            names.append(range)
        }
        return names
    }

    func isNamed(_ entry: Entry, in names: [Range<Int>]) -> Bool {
        names.contains { equalsIgnoringCase(bytes[$0], bytes[entry.name]) }
    }
}
