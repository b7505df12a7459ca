/// The `--name value` pairs that follow a verb.
struct Options {
    private var values: [String: String] = [:]

    init(_ arguments: some Collection<String>, allowed: Set<String>) throws(Failure) {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), allowed.contains(String(name.dropFirst(2))) else {
                throw Failure("unknown option \(name); there are \(allowed.sorted().map { "--\($0)" })")
            }
            guard let value = rest.popFirst() else { throw Failure("\(name) needs a value") }
            values[String(name.dropFirst(2))] = value
        }
    }

    func text(_ name: String) -> String? {
        values[name]
    }

    func number<Number: LosslessStringConvertible & Comparable>(
        _ name: String, default fallback: Number, atLeast minimum: Number
    ) throws(Failure) -> Number {
        guard let text = values[name] else { return fallback }
        guard let number = Number(text), number >= minimum else {
            throw Failure("--\(name) \(text): want a number from \(minimum) on")
        }
        return number
    }

    func endpoint(_ name: String) throws(Failure) -> Endpoint? {
        guard let text = values[name] else { return nil }
        guard let endpoint = Endpoint(text) else { throw Failure("--\(name) \(text): want ADDRESS:PORT") }
        return endpoint
    }
}
