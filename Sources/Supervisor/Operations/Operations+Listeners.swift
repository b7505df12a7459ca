import Admin
import Policy

extension Operations {
    static let listeners: [Method<Gateway>] = [
        Method(ListListeners.self) { gateway, _, _ in ListListeners.Reply(listeners: gateway.policy.listeners) },
        Method(AddListener.self) { gateway, call, caller in
            let listener = call.listener
            return try await gateway.apply(by: caller, "listener add \(listener)") { policy throws(Refusal) in
                try policy.add(listener, in: gateway.surroundings)
            }
        },
        Method(ChangeListener.self) { gateway, call, caller in
            let summary = "listener set \(call.endpoint): \(call.details(besides: "endpoint"))"
            return try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                try policy.changeListener(on: call.endpoint, in: gateway.surroundings) { call.change(&$0) }
            }
        },
        Method(RemoveListener.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "listener remove \(call.endpoint)") { policy throws(Refusal) in
                _ = try policy.removeListener(on: call.endpoint)
            }
        },
    ]
}
