import Address
import Policy

/// From a request frame to a reply frame: finds the method, checks the permission and the parameters, asks the handler.
/// It knows no descriptor.
struct Dispatcher: Sendable {
    enum Answer: Hashable {
        /// A frame, without its NUL.
        case reply([UInt8])
        /// The caller wants none (`oneway`).
        case none
        /// The frame is no varlink call: whatever follows it cannot be trusted either.
        case hangUp(String)
    }

    /// A call of the interface; `answer` is nil where the handler has no method for it.
    private struct Entry: Sendable {
        var call: any Call.Type
        var answer: (@Sendable (Request, Caller) async throws(CallFailure) -> [UInt8])?
    }

    private let entries: [String: Entry]
    private let interfaceText: String

    init<Handler: AdminHandler>(handler: Handler) {
        let methods = Dictionary(uniqueKeysWithValues: Handler.methods.map { ($0.call.name, $0) })
        entries = Dictionary(
            uniqueKeysWithValues: Interface.calls.map { call in
                guard let method = methods[call.name] else { return (call.name, Entry(call: call)) }
                let entry = Entry(call: call) { (request, caller) async throws(CallFailure) in
                    try await method.answer(request, caller, handler)
                }
                return (call.name, entry)
            })
        do {
            interfaceText = try Interface.adminText()
        } catch {
            // A call that cannot be described is a mistake of ours, and every daemon that starts shows it.
            preconditionFailure("\(error)")
        }
    }

    func answer(_ frame: [UInt8], from caller: Caller) async -> Answer {
        let request: Request
        do {
            request = try Request(frame: frame)
        } catch {
            return .hangUp("not a varlink call: \(error.explanation)")
        }
        let reply: [UInt8]
        do throws(CallFailure) {
            reply = try await self.reply(to: request, from: caller)
        } catch {
            reply = error.frame
        }
        return request.isOneway ? .none : .reply(reply)
    }

    private func reply(to request: Request, from caller: Caller) async throws(CallFailure) -> [UInt8] {
        switch request.interface {
        case Interface.service:
            return try describeService(request)
        case Interface.admin:
            guard let entry = entries[request.member] else { throw .methodNotFound(request.method) }
            guard entry.call.permission == .anyone || caller.isOperator else {
                throw .admin(
                    .permissionDenied(
                        """
                        \(caller.author.name) may not call \(request.member): that takes root, the daemon's own user, or \
                        a member of the admin socket's group
                        """))
            }
            guard let answer = entry.answer else { throw .methodNotImplemented(request.method) }
            return try await answer(request, caller)
        case let interface:
            throw .interfaceNotFound(interface)
        }
    }

    private func describeService(_ request: Request) throws(CallFailure) -> [UInt8] {
        switch request.member {
        case "GetInfo":
            return ReplyFrame(ServiceInfo()).bytes
        case "GetInterfaceDescription":
            let interface = try request.parameters(InterfaceQuery.self).interface
            switch interface {
            case Interface.admin: return ReplyFrame(InterfaceDescription(description: interfaceText)).bytes
            case Interface.service: return ReplyFrame(InterfaceDescription(description: Interface.serviceText)).bytes
            default: throw .interfaceNotFound(interface)
            }
        default:
            throw .methodNotFound(request.method)
        }
    }
}

private struct ServiceInfo: Encodable {
    let vendor = "Gatehouse"
    let product = "gatehoused"
    let version = gatehouseVersion
    let url = "file:///usr/share/doc/gatehouse"
    let interfaces = [Interface.service, Interface.admin]
}

private struct InterfaceQuery: Codable {
    var interface: String
}

private struct InterfaceDescription: Encodable {
    var description: String
}
