import Admin
import Policy

extension Operations {
    static let users: [Method<Gateway>] = [
        Method(ListUsers.self) { gateway, _, _ in
            ListUsers.Reply(users: gateway.policy.users.map { ListUsers.User(name: $0.name) })
        },
        Method(AddUser.self) { gateway, call, caller in
            let hash = try await gateway.hash(for: call, isImport: caller.draft != nil)
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
    /// What is to be kept of a new user's password.
    fileprivate func hash(for call: AddUser, isImport: Bool) async throws(Refusal) -> String {
        switch (call.password, call.hash) {
        case (let password?, nil): return try await hash(password, isWeak: call.weak ?? false)
        case (nil, let hash?):
            guard PasswordHash(hash) != nil else {
                throw Refusal(
                    "the password hash of \(call.name) is none that `gatehousectl export --with-secrets` writes")
            }
            return hash
        case (nil, nil):
            guard isImport, let user = policy.users.first(where: { $0.name == call.name }) else {
                throw Refusal(
                    "no password of \(call.name) is known here; `gatehousectl export --with-secrets` writes its hash, or "
                        + "`gatehousectl user add \(call.name)` first")
            }
            return user.passwordHash
        case (_?, _?): throw Refusal("give a password or its hash, not both")
        }
    }

    fileprivate func hash(_ password: String, isWeak: Bool) async throws(Refusal) -> String {
        try Policy.checkPassword(password, isWeak: isWeak)
        return try await hashPassword(password)
    }
}
