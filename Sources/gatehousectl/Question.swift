import Glibc

/// What a person is asked, a line at a time. Only on a terminal.
enum Question {
    /// Whether there is a person to ask.
    static var isPossible: Bool { isatty(STDIN_FILENO) == 1 && Output.standard.isTerminal }

    /// - Parameter usual: what an empty answer means.
    static func choice(_ text: String, usual: Bool) throws(Failure) -> Bool {
        while true {
            switch try answer("\(text) [\(usual ? "Y/n" : "y/N")] ").lowercased() {
            case "": return usual
            case "y", "yes": return true
            case "n", "no": return false
            default: print("Answer y or n.")
            }
        }
    }

    /// One of `choices`, or `usual` for an empty answer.
    static func word(_ text: String, usual: String, among choices: [String]) throws(Failure) -> String {
        while true {
            let word = try answer("\(text) [\(printable(usual))] ")
            if word.isEmpty { return usual }
            if choices.contains(word) { return word }
            print("There is \(printable(choices.joined(separator: ", "))).")
        }
    }

    private static func answer(_ prompt: String) throws(Failure) -> String {
        Output.standard.write(prompt)
        guard let line = readLine() else {
            print()
            throw Failure("nothing was changed")
        }
        return String(line.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
