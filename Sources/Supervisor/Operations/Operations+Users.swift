import Admin
import Policy

extension Operations {
    static let users: [Method<Gateway>] = [
        Method(ListUsers.self) { gateway, _, _ in
            ListUsers.Reply(users: gateway.policy.users.map { ListUsers.User(name: $0.name) })
        },
        Method(AddUser.self) { gateway, call, caller in
            let hash = try await gateway.hash(call.password, isWeak: call.weak ?? false)
            return try await gateway.apply(by: caller, "user add \(call.name)") { policy throws(Refusal) in
                try policy.add(User(name: call.name, passwordHash: hash))
            }
        },
        Method(SetPassword.self) { gateway, call, caller in
            let hash = try await gateway.hash(call.password, isWeak: call.weak ?? false)
            return try await gateway.apply(by: caller, "user passwd \(call.name)") { policy throws(Refusal) in
                try policy.setPasswordHash(hash, ofUser: call.name)
            }
        },
        Method(RemoveUser.self) { gateway, call, caller in
            try await gateway.apply(by: caller, "user remove \(call.name)") { policy throws(Refusal) in
                try policy.removeUser(named: call.name)
            }
        },
    ]
}

extension Gateway {
    fileprivate func hash(_ password: String, isWeak: Bool) async throws(Refusal) -> String {
        try Policy.checkPassword(password, isWeak: isWeak)
        return try await hashPassword(password)
    }
}
