import ArgumentParser

/// What was probably meant by a verb that does not exist.
enum Suggestion {
    /// - Returns: nil if every verb on the command line exists.
    static func hint(for arguments: [String]) -> String? {
        var command: any ParsableCommand.Type = Gatehousectl.self
        var path = "gatehousectl"
        var rest = arguments[...]
        while let word = rest.popFirst() {
            // Of the options that may stand before a verb one has a value of its own.
            if word == "--socket" { _ = rest.popFirst() }
            guard !word.hasPrefix("-"), word != "help" else { continue }
            let verbs = command.configuration.subcommands
            guard !verbs.isEmpty else { return nil }
            guard let next = verbs.first(where: { $0.names.contains(word) }) else {
                return hint(for: word, after: path, among: verbs.map { $0._commandName })
            }
            command = next
            path += " \(next._commandName)"
        }
        return nil
    }

    private static func hint(for word: String, after path: String, among verbs: [String]) -> String {
        let nearest = verbs.min { distance(word, $0) < distance(word, $1) }
        guard let nearest, distance(word, nearest) <= max(1, word.count / 3) else {
            return "\(path) has no verb '\(word)'; it has \(verbs.joined(separator: ", "))"
        }
        return "\(path) has no verb '\(word)'; did you mean `\(path) \(nearest)`?"
    }

    /// How many letters have to be put in, left out, changed, or swapped with the next one (optimal string alignment).
    static func distance(_ first: String, _ second: String) -> Int {
        let (first, second) = (Array(first), Array(second))
        var rows = [Array(0...second.count)]
        for i in first.indices {
            var row = [i + 1]
            for j in second.indices {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (first[i] == second[j] ? 0 : 1))
                if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[first.count][second.count]
    }
}

extension ParsableCommand {
    /// Its own name and the short forms of it.
    fileprivate static var names: [String] { [_commandName] + configuration.aliases }
}
