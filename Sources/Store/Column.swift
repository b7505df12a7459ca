/// A column of a table, and the property of `Thing` that it holds.
///
/// A text that cannot be read is no value: a condition or a network that got lost would make a rule or a listener everybody's.
struct Column<Thing>: Sendable {
    let name: String
    let value: @Sendable (Thing) -> Database.Value
    /// Gives the thing what the column holds; false if this version cannot read it.
    let read: @Sendable (Database.Value, inout Thing) -> Bool
}

extension Column {
    typealias Path<Value> = any WritableKeyPath<Thing, Value> & Sendable

    static func text(_ name: String, _ path: Path<String>) -> Self {
        Self(name: name, value: { .text($0[keyPath: path]) }) { value, thing in
            guard case .text(let text) = value else { return false }
            thing[keyPath: path] = text
            return true
        }
    }

    static func text(_ name: String, _ path: Path<String?>) -> Self { notation(name, path) }

    /// A number that `Number` cannot hold is no value.
    static func number<Number: FixedWidthInteger & SendableMetatype>(_ name: String, _ path: Path<Number>) -> Self {
        Self(name: name, value: { .integer(Int($0[keyPath: path])) }) { value, thing in
            guard case .integer(let integer) = value, let number = Number(exactly: integer) else { return false }
            thing[keyPath: path] = number
            return true
        }
    }

    static func number<Number: FixedWidthInteger & SendableMetatype>(_ name: String, _ path: Path<Number?>) -> Self {
        Self(name: name, value: { .optional($0[keyPath: path].map { Int($0) }) }) { value, thing in
            switch value {
            case .null: thing[keyPath: path] = nil
            case .integer(let integer):
                guard let number = Number(exactly: integer) else { return false }
                thing[keyPath: path] = number
            case .text: return false
            }
            return true
        }
    }

    static func flag(_ name: String, _ path: Path<Bool>) -> Self {
        Self(name: name, value: { .integer($0[keyPath: path] ? 1 : 0) }) { value, thing in
            guard case .integer(let number) = value else { return false }
            thing[keyPath: path] = number != 0
            return true
        }
    }

    static func word<Word: RawRepresentable<String> & SendableMetatype>(_ name: String, _ path: Path<Word>) -> Self {
        Self(name: name, value: { .text($0[keyPath: path].rawValue) }) { value, thing in
            guard case .text(let text) = value, let word = Word(rawValue: text) else { return false }
            thing[keyPath: path] = word
            return true
        }
    }

    static func word<Word: RawRepresentable<String> & SendableMetatype>(_ name: String, _ path: Path<Word?>) -> Self {
        Self(name: name, value: { $0[keyPath: path].map { .text($0.rawValue) } ?? .null }) { value, thing in
            switch value {
            case .null: thing[keyPath: path] = nil
            case .text(let text):
                guard let word = Word(rawValue: text) else { return false }
                thing[keyPath: path] = word
            case .integer: return false
            }
            return true
        }
    }

    static func notation<Value: LosslessStringConvertible & SendableMetatype>(_ name: String, _ path: Path<Value>)
        -> Self
    {
        Self(name: name, value: { .text($0[keyPath: path].description) }) { value, thing in
            guard case .text(let text) = value, let value = Value(text) else { return false }
            thing[keyPath: path] = value
            return true
        }
    }

    static func notation<Value: LosslessStringConvertible & SendableMetatype>(_ name: String, _ path: Path<Value?>)
        -> Self
    {
        Self(name: name, value: { $0[keyPath: path].map { .text($0.description) } ?? .null }) { value, thing in
            switch value {
            case .null: thing[keyPath: path] = nil
            case .text(let text):
                guard let value = Value(text) else { return false }
                thing[keyPath: path] = value
            case .integer: return false
            }
            return true
        }
    }

    /// - Parameter separator: in no value; blanks around it mean nothing.
    static func list<Value: LosslessStringConvertible & SendableMetatype>(
        _ name: String, _ path: Path<[Value]>, separator: Character, allowsNone: Bool = true
    ) -> Self {
        let gap = separator == "," ? ", " : String(separator)
        return Self(
            name: name, value: { .text($0[keyPath: path].map(\.description).joined(separator: gap)) }
        ) { value, thing in
            guard case .text(let text) = value else { return false }
            let parts = text.split(separator: separator)
            let values = parts.compactMap { part in
                Value(String(separator == " " ? part : part.drop { $0 == " " }))
            }
            guard values.count == parts.count, allowsNone || !values.isEmpty else { return false }
            thing[keyPath: path] = values
            return true
        }
    }
}
