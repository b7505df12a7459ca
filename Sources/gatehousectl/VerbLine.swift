/// A gatehousectl command as it stands in a file, written and read as sh(1) would read it.
struct VerbLine: Hashable {
    /// Verb, arguments and options, without gatehousectl itself.
    var words: [String]

    /// - Parameters:
    ///   - verb: with blanks between its words.
    ///   - options: each with its value; nil: it has none.
    init(_ verb: String, _ arguments: String..., options: [(name: String, value: String?)] = []) {
        words = verb.split(separator: " ").map(String.init)
        let isPlain = !arguments.contains { $0.hasPrefix("-") }
        if isPlain { words += arguments }
        for option in options {
            guard let value = option.value else {
                words.append("--\(option.name)")
                continue
            }
            words += value.hasPrefix("-") ? ["--\(option.name)=\(value)"] : ["--\(option.name)", value]
        }
        // What begins with a dash is no option behind `--`.
        if !isPlain { words += ["--"] + arguments }
    }

    var text: String { (["gatehousectl"] + words).map(Self.quoted).joined(separator: " ") }

    private static func quoted(_ word: String) -> String {
        let plain = "-_.,:/@%+="
        let isPlain = word.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
                || plain.unicodeScalars.contains(scalar)
        }
        return isPlain && !word.isEmpty ? word : "'\(word.replacing("'", with: #"'\''"#))'"
    }

    /// Why a text is no such line.
    enum Unreadable: Error, CustomStringConvertible {
        case openQuote(Character)
        case special(Character)
        case backslashAtEnd

        var description: String {
            switch self {
            case .openQuote(let quote): "there is a \(quote) without another one behind it"
            case .special(let character):
                "\(character) has a meaning for a shell and none here; put the word into ' '"
            case .backslashAtEnd: "it ends with \\, and a command is one line here"
            }
        }
    }

    /// - Returns: nil: there is nothing but a comment.
    init?(reading text: Substring) throws(Unreadable) {
        var words: [String] = []
        // nil: between two words.
        var word: String?
        var rest = text
        func quotedPart(until quote: Character) throws(Unreadable) -> String {
            var part = ""
            while let next = rest.popFirst() {
                if next == quote { return part }
                if next == "\\", quote == "\"", let escaped = rest.first, "\\\"$`".contains(escaped) {
                    part.append(escaped)
                    rest.removeFirst()
                } else {
                    part.append(next)
                }
            }
            throw .openQuote(quote)
        }
        while let next = rest.popFirst() {
            switch next {
            case " ", "\t", "\r":
                if let done = word { words.append(done) }
                word = nil
            case "#" where word == nil: rest = ""
            case "'", "\"": word = try (word ?? "") + quotedPart(until: next)
            case "\\":
                guard let escaped = rest.popFirst() else { throw .backslashAtEnd }
                word = (word ?? "") + String(escaped)
            case "|", "&", ";", "<", ">", "$", "`", "(", ")": throw .special(next)
            default: word = (word ?? "") + String(next)
            }
        }
        if let done = word { words.append(done) }
        if words.first == "gatehousectl" { words.removeFirst() }
        if words.isEmpty { return nil }
        self.words = words
    }
}
