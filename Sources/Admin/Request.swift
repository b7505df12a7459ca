/// A varlink call as it came in.
struct Request {
    private struct Envelope: Decodable {
        var method: String
        var oneway: Bool?
    }

    private struct Given: Decodable {
        var parameters: JSONValue?
    }

    private struct Carrier<Parameters: Decodable>: Decodable {
        var parameters: Parameters
    }

    /// With its interface: `org.gatehouse.Admin.GetStatus`.
    let method: String
    let isOneway: Bool
    private let frame: [UInt8]

    /// Leaves the parameters unread: they may be long, and the caller's permission is checked first.
    init(frame: [UInt8]) throws(DecodingError) {
        let envelope = try JSON.decode(Envelope.self, from: frame)
        method = envelope.method
        isOneway = envelope.oneway ?? false
        self.frame = frame
    }

    /// The part before the last dot.
    var interface: String {
        method.lastIndex(of: ".").map { String(method[..<$0]) } ?? ""
    }

    /// The part after the last dot.
    var member: String {
        method.lastIndex(of: ".").map { String(method[method.index(after: $0)...]) } ?? method
    }

    func parameters<Parameters: Codable>(_ type: Parameters.Type) throws(CallFailure) -> Parameters {
        try parameters(type, and: Nothing.self).0
    }

    private struct Nothing: Codable {}

    /// The parameters of a call, which two types share.
    ///
    /// An unknown parameter is an error: a misspelt `interface` would open a listener on every interface.
    func parameters<Parameters: Codable, Others: Codable>(
        _ type: Parameters.Type, and others: Others.Type
    ) throws(CallFailure) -> (Parameters, Others) {
        let given: JSONValue
        let parameters: (Parameters, Others)
        do throws(DecodingError) {
            given = try JSON.decode(Given.self, from: frame).parameters ?? .null
            // Missing or null parameters mean {}.
            let frame = given == .null ? Array(#"{"parameters":{}}"#.utf8) : frame
            parameters = (
                try JSON.decode(Carrier<Parameters>.self, from: frame).parameters,
                try JSON.decode(Carrier<Others>.self, from: frame).parameters
            )
        } catch {
            throw .invalidParameter(error.member)
        }
        guard case .object = given,
            case .object(let own)? = try? JSON.decode(JSONValue.self, from: JSON.encode(parameters.0)),
            case .object(let more)? = try? JSON.decode(JSONValue.self, from: JSON.encode(parameters.1))
        else { return parameters }
        let known = JSONValue.object(own.merging(more) { first, _ in first })
        if let unknown = given.member(missingIn: known) { throw .invalidParameter(unknown) }
        return parameters
    }
}

extension DecodingError {
    /// The member of `parameters` that is wrong or missing: `listener.endpoint`.
    fileprivate var member: String {
        let path: [any CodingKey] =
            switch self {
            case .keyNotFound(let key, let context): context.codingPath + [key]
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                context.codingPath
            @unknown default: []
            }
        let names = path.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }
        let member = names.dropFirst(names.first == "parameters" ? 1 : 0).joined(separator: ".")
        return member.isEmpty ? "parameters" : member
    }

    /// The gist, for a log line.
    var explanation: String {
        switch self {
        case .keyNotFound(let key, _): "\(key.stringValue) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            context.debugDescription
        @unknown default: "unreadable"
        }
    }
}

/// An error reply: one of org.varlink.service, or one of ours.
enum CallFailure: Error {
    case interfaceNotFound(String)
    case methodNotFound(String)
    case methodNotImplemented(String)
    case invalidParameter(String)
    case admin(AdminError)

    var frame: [UInt8] {
        switch self {
        case .interfaceNotFound(let name): Self.frame(Interface.service, "InterfaceNotFound", ["interface": name])
        case .methodNotFound(let name): Self.frame(Interface.service, "MethodNotFound", ["method": name])
        case .methodNotImplemented(let name):
            Self.frame(Interface.service, "MethodNotImplemented", ["method": name])
        case .invalidParameter(let name): Self.frame(Interface.service, "InvalidParameter", ["parameter": name])
        case .admin(let error): Self.frame(Interface.admin, error.name, ["reason": error.reason])
        }
    }

    private struct Envelope: Encodable {
        var error: String
        var parameters: [String: String]
    }

    private static func frame(_ interface: String, _ error: String, _ parameters: [String: String]) -> [UInt8] {
        JSON.encode(Envelope(error: "\(interface).\(error)", parameters: parameters))
    }
}

/// A reply that is no error.
struct ReplyFrame<Parameters: Encodable>: Encodable {
    private let parameters: Parameters

    init(_ parameters: Parameters) {
        self.parameters = parameters
    }

    var bytes: [UInt8] { JSON.encode(self) }
}
