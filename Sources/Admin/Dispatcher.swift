import Address
import Policy

/// Who is at the other end of a connection.
struct Peer: Sendable {
    var author: Author
    var isOperator: Bool
}

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

    let handler: any AdminHandler

    func answer(_ frame: [UInt8], from peer: Peer) async -> Answer {
        let request: Request
        do {
            request = try Request(frame: frame)
        } catch {
            return .hangUp("not a varlink call: \(error.explanation)")
        }
        let reply: [UInt8]
        do throws(CallFailure) {
            reply = try await self.reply(to: request, from: peer)
        } catch {
            reply = error.frame
        }
        return request.isOneway ? .none : .reply(reply)
    }

    private func reply(to request: Request, from peer: Peer) async throws(CallFailure) -> [UInt8] {
        switch request.interface {
        case Interface.service:
            return try describeService(request)
        case Interface.admin:
            guard let method = Method(rawValue: request.member) else { throw .methodNotFound(request.method) }
            guard method.permission == .anyone || peer.isOperator else {
                throw .admin(
                    .permissionDenied(
                        """
                        \(peer.author.name) may not call \(method.rawValue): that takes root, the daemon's own user, or \
                        a member of the admin socket's group
                        """))
            }
            return try await perform(method, request, by: peer.author)
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
            guard let text = Interface.text(of: interface) else { throw .interfaceNotFound(interface) }
            return ReplyFrame(InterfaceDescription(description: text)).bytes
        default:
            throw .methodNotFound(request.method)
        }
    }

    private func perform(_ method: Method, _ request: Request, by author: Author) async throws(CallFailure) -> [UInt8] {
        // The bodies throw AdminError and nothing else, which a closure without a signature cannot say yet.
        func answer<C: Call>(
            _ call: C.Type, _ body: (C) async throws -> C.Reply
        ) async throws(CallFailure) -> [UInt8] {
            let parameters = try request.parameters(call)
            do {
                return ReplyFrame(try await body(parameters)).bytes
            } catch {
                throw .admin(error as? AdminError ?? .refused("\(error)"))
            }
        }
        switch method {
        case .getVersion:
            return try await answer(GetVersion.self) { _ in GetVersion.Reply(version: gatehouseVersion) }
        case .getStatus:
            return try await answer(GetStatus.self) { _ in try await handler.status() }
        case .getClientSetup:
            return try await answer(GetClientSetup.self) { _ in .init(offers: try await handler.offers()) }
        case .setup:
            return try await answer(Setup.self) { try await handler.setup($0, by: author) }
        case .listListeners:
            return try await answer(ListListeners.self) { _ in .init(listeners: try await handler.listeners()) }
        case .addListener:
            return try await answer(AddListener.self) { try await handler.addListener($0.listener, by: author) }
        case .changeListener:
            return try await answer(ChangeListener.self) { try await handler.changeListener($0, by: author) }
        case .removeListener:
            return try await answer(RemoveListener.self) {
                try await handler.removeListener(at: $0.endpoint, by: author)
            }
        case .listUsers:
            return try await answer(ListUsers.self) { _ in
                .init(users: try await handler.users().map { .init(name: $0) })
            }
        case .addUser:
            return try await answer(AddUser.self) {
                try await handler.addUser($0.name, password: $0.password, by: author)
            }
        case .setPassword:
            return try await answer(SetPassword.self) {
                try await handler.setPassword(of: $0.name, to: $0.password, by: author)
            }
        case .removeUser:
            return try await answer(RemoveUser.self) { try await handler.removeUser($0.name, by: author) }
        case .listRules:
            return try await answer(ListRules.self) { _ in try await handler.rules() }
        case .addRule:
            return try await answer(AddRule.self) { try await handler.addRule($0, by: author) }
        case .removeRule:
            return try await answer(RemoveRule.self) { try await handler.removeRule($0.id, by: author) }
        case .setDefault:
            return try await answer(SetDefault.self) { try await handler.setDefault($0.action, by: author) }
        case .listLimits:
            return try await answer(ListLimits.self) { _ in .init(limits: try await handler.limits()) }
        case .setLimit:
            return try await answer(SetLimit.self) { try await handler.setLimit($0.limit, by: author) }
        case .removeLimit:
            return try await answer(RemoveLimit.self) { try await handler.removeLimit(for: $0.subject, by: author) }
        case .getFirewall:
            return try await answer(GetFirewall.self) { _ in try await handler.firewall() }
        case .setFirewallMode:
            return try await answer(SetFirewallMode.self) { try await handler.setFirewallMode($0.mode, by: author) }
        case .open:
            return try await answer(Open.self) { try await handler.open($0.opening, by: author) }
        case .close:
            return try await answer(Close.self) { try await handler.close($0.name, by: author) }
        case .listRevisions:
            return try await answer(ListRevisions.self) {
                .init(revisions: try await handler.revisions(limit: $0.limit ?? 20))
            }
        case .getRevision:
            return try await answer(GetRevision.self) { try await handler.revision($0.id) }
        case .rollback:
            return try await answer(Rollback.self) { try await handler.rollback(to: $0.id, by: author) }
        case .getCertificate:
            return try await answer(GetCertificate.self) { _ in try await handler.certificate() }
        case .getAuthority:
            return try await answer(GetAuthority.self) { _ in .init(certificate: try await handler.authority()) }
        case .useCertificate:
            return try await answer(UseCertificate.self) {
                try await handler.useCertificate($0.certificate, key: $0.key, by: author)
            }
        case .renewCertificate:
            return try await answer(RenewCertificate.self) {
                try await handler.renewCertificate(authority: $0.authority, by: author)
            }
        case .listSessions:
            return try await answer(ListSessions.self) { try await handler.sessions($0) }
        case .endSessions:
            return try await answer(EndSessions.self) {
                .init(ended: try await handler.endSessions($0.selection, by: author))
            }
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
