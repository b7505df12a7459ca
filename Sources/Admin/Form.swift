/// The form of a value in JSON, as varlink's interface definition language writes it.
indirect enum Form: Hashable, CustomStringConvertible {
    case bool, int, string
    /// Whatever the sender says.
    case object
    /// A type of the interface, by its name.
    case named(String)
    case optional(Form)
    case list(Form)

    struct Field: Hashable {
        var name: String
        var form: Form
    }

    var description: String {
        switch self {
        case .bool: "bool"
        case .int: "int"
        case .string: "string"
        case .object: "object"
        case .named(let name): name
        case .optional(let form): "?\(form)"
        case .list(let form): "[]\(form)"
        }
    }
}

/// A type that has a name in the interface: an object with a member for each stored property, unless it is one of the others
/// below.
protocol InterfaceType: Codable {
    /// The Swift type's own name, unless the type says otherwise.
    static var interfaceName: String { get }
    /// As `Call.documentation`.
    static var documentation: String { get }
}

extension InterfaceType {
    static var interfaceName: String { "\(Self.self)" }
}

/// A type whose values are words.
protocol InterfaceEnumeration: InterfaceType, CaseIterable, RawRepresentable where RawValue == String {}

/// A type that is written as an object with other members in one state than in another.
protocol InterfaceUnion: InterfaceType {
    /// All members that there can be.
    associatedtype Members: Decodable
    /// A value in each of its states.
    static var samples: [Self] { get }
}

/// A type that is written as a string, in a notation of its own.
protocol InterfaceText: Codable {
    /// Any value.
    static var sample: Self { get }
}

/// Finds the members of a type and their forms by running its `init(from:)` with a decoder that records what is asked for. The
/// compiler writes that initializer from the stored properties, so no list of members has to be kept beside them. For a type
/// without a form it throws an error that names the missing conformance.
struct FormReader {
    /// A type of the interface.
    struct Declaration: Hashable {
        var name: String
        var documentation: String
        var body: Body

        enum Body: Hashable {
            case object([Form.Field])
            case words([String])
        }
    }

    struct NoForm: Error, CustomStringConvertible {
        let description: String
    }

    /// The types found so far, in the order in which they were found.
    private(set) var declarations: [Declaration] = []

    /// The members of a call's parameters or of its reply.
    mutating func fields<Value: Decodable>(of type: Value.Type) throws -> [Form.Field] {
        try object(type).fields
    }

    /// - Returns: also a value, which the initializer of the enclosing type needs.
    fileprivate mutating func read<Value: Decodable>(_ type: Value.Type) throws -> (form: Form, value: Value) {
        let (form, value): (Form, Any) =
            switch type {
            case is Bool.Type: (.bool, false)
            case is String.Type: (.string, "")
            case is JSONValue.Type: (.object, JSONValue.null)
            case let number as any FixedWidthInteger.Type: (.int, Self.zero(number))
            case let list as any ReadableList.Type: try list.read(by: &self)
            case let text as any InterfaceText.Type: (.string, Self.sample(text))
            case let words as any InterfaceEnumeration.Type: try enumeration(words)
            case let union as any InterfaceUnion.Type: try self.union(union)
            case let named as any InterfaceType.Type: try declared(type, as: named)
            default:
                throw NoForm(
                    description: "\(type) has no form in the interface: it is neither InterfaceType nor InterfaceText")
            }
        guard let value = value as? Value else { throw NoForm(description: "\(type) is not made by its own decoder") }
        return (form, value)
    }

    private static func zero<Number: FixedWidthInteger>(_ type: Number.Type) -> Any { Number.zero }

    private static func sample<Text: InterfaceText>(_ type: Text.Type) -> Any { Text.sample }

    private mutating func enumeration<Words: InterfaceEnumeration>(_ type: Words.Type) throws -> (Form, Any) {
        guard let first = type.allCases.first else { throw NoForm(description: "\(type) has no values") }
        declare(type, .words(type.allCases.map(\.rawValue)))
        return (.named(type.interfaceName), first)
    }

    private mutating func union<Union: InterfaceUnion>(_ type: Union.Type) throws -> (Form, Any) {
        guard let first = type.samples.first else { throw NoForm(description: "\(type) has no states") }
        declare(type, .object(try object(Union.Members.self).fields))
        return (.named(type.interfaceName), first)
    }

    private mutating func declared<Value: Decodable>(
        _ type: Value.Type, as named: any InterfaceType.Type
    ) throws -> (Form, Any) {
        let (fields, value) = try object(type)
        declare(named, .object(fields))
        return (.named(named.interfaceName), value)
    }

    private mutating func declare(_ type: any InterfaceType.Type, _ body: Declaration.Body) {
        guard !declarations.contains(where: { $0.name == type.interfaceName }) else { return }
        declarations.append(
            Declaration(name: type.interfaceName, documentation: type.documentation, body: body))
    }

    private mutating func object<Value: Decodable>(_ type: Value.Type) throws -> (fields: [Form.Field], value: Value) {
        let record = MemberRecord(reader: self)
        let value = try Value(from: RecordingDecoder(record: record, type: "\(type)"))
        self = record.reader
        return (record.fields, value)
    }
}

/// Arrays, whatever is in them.
private protocol ReadableList {
    static func read(by reader: inout FormReader) throws -> (Form, Any)
}

extension Array: ReadableList where Element: Decodable {
    static func read(by reader: inout FormReader) throws -> (Form, Any) {
        let element = try reader.read(Element.self)
        return (.list(element.form), [element.value])
    }
}

/// The members that one decoder was asked for.
private final class MemberRecord {
    var reader: FormReader
    var fields: [Form.Field] = []
    /// Members that may be missing: the type asked whether they are there before it read them.
    var optional: Set<String> = []

    init(reader: FormReader) {
        self.reader = reader
    }
}

private struct RecordingDecoder: Decoder {
    let record: MemberRecord
    let type: String
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    func container<Key: CodingKey>(keyedBy keys: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(RecordingContainer(record: record, type: type))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        throw FormReader.NoForm(description: "\(type) is written as a list; give it members")
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        throw FormReader.NoForm(
            description: "\(type) is written as one value; make it an InterfaceText or an InterfaceEnumeration")
    }
}

private struct RecordingContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let record: MemberRecord
    let type: String
    let codingPath: [any CodingKey] = []
    let allKeys: [Key] = []

    func contains(_ key: Key) -> Bool {
        record.optional.insert(key.stringValue)
        return true
    }

    func decodeNil(forKey key: Key) throws -> Bool { false }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        let (form, value) = try record.reader.read(type)
        let isOptional = record.optional.contains(key.stringValue)
        record.fields.append(.init(name: key.stringValue, form: isOptional ? .optional(form) : form))
        return value
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        throw noForm(of: key)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw noForm(of: key) }

    func superDecoder() throws -> any Decoder {
        throw FormReader.NoForm(description: "\(type) is written in a form of its own")
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { throw noForm(of: key) }

    private func noForm(of key: Key) -> FormReader.NoForm {
        FormReader.NoForm(description: "\(type) writes \(key.stringValue) in a form of its own")
    }
}
