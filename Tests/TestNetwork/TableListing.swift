extension Namespace {
    /// Gatehouse's table as nft(8) prints it, without the values of counters and without the table's owner; nil if there is no
    /// table.
    /// - Parameter handles: With the handles, which say whether a rule was made again.
    package func tableListing(handles: Bool = false) throws -> String? {
        let outcome = try attempt(
            ["env", "TZ=UTC", "nft", "-s"] + (handles ? ["-a"] : []) + ["list", "table", "inet", "gatehouse"])
        guard outcome.status == 0 else { return nil }
        // Long lists of elements are broken into lines.
        let text = outcome.output.replacing(",\n\t\t\t     ", with: ", ")
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        // `table inet gatehouse { # progname gatehoused`, then `flags owner` and an empty line. nft 1.0.6 knows no `persist`
        // and prints empty `flags` for a table that has lost its owner.
        lines[0] = "table inet gatehouse {"
        if lines.count > 2, lines[1].hasPrefix("\tflags") { lines.removeSubrange(1...2) }
        // Whom a meter remembers at the moment is no part of the ruleset.
        var isMeter = false
        lines.removeAll { line in
            if line.hasPrefix("\t\tflags ") { isMeter = line.contains("dynamic") }
            if line == "\t}" { isMeter = false }
            return isMeter && line.hasPrefix("\t\telements = ")
        }
        return lines.joined(separator: "\n")
    }
}
