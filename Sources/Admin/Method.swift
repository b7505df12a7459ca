/// A call and how `Handler` carries it out.
///
/// The body runs on the handler's executor, after the caller's permission and the form of the parameters have been checked. It
/// throws an `AdminError` or a `Refusal` where the policy does not allow the call.
package struct Method<Handler: Actor>: Sendable {
    package let call: any Call.Type
    let answer: @Sendable (Request, Caller, Handler) async throws(CallFailure) -> [UInt8]

    package init<C: Call>(
        _ call: C.Type, _ body: @escaping @Sendable (isolated Handler, C, Caller) async throws -> C.Reply
    ) {
        self.call = call
        answer = { (request, caller, handler) async throws(CallFailure) in
            var caller = caller
            let parameters: C
            if call.isChange {
                (parameters, caller.manner) = try request.parameters(call, and: Manner.self)
            } else {
                parameters = try request.parameters(call)
            }
            do {
                return ReplyFrame(try await body(handler, parameters, caller)).bytes
            } catch {
                throw .admin(error as? AdminError ?? .refused("\(error)"))
            }
        }
    }

    /// Carries out a step of an import.
    package func carryOut(
        _ parameters: JSONValue, by caller: Caller, on handler: Handler
    ) async throws(AdminError) {
        let frame = JSONValue.object(["method": .string(call.name), "parameters": parameters])
        do throws(CallFailure) {
            let request: Request
            do throws(DecodingError) {
                request = try Request(frame: JSON.encode(frame))
            } catch {
                throw .invalidParameter("parameters")
            }
            _ = try await answer(request, caller, handler)
        } catch {
            switch error {
            case .admin(let refusal): throw refusal
            case .invalidParameter(let name): throw .refused("\(call.name): the parameter \(name) makes no sense")
            default: throw .refused("\(call.name) cannot be called")
            }
        }
    }
}

/// Carries the calls out.
package protocol AdminHandler: Actor {
    /// One for each call of `Interface.calls`; a call without one is answered with MethodNotImplemented.
    static var methods: [Method<Self>] { get }
}
