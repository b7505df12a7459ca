/// The calls about users.
enum UserCalls {
    static let all: [any Call.Type] = [ListUsers.self, AddUser.self, SetPassword.self, RemoveUser.self]
}

package struct ListUsers: Call {
    package static let documentation = "The users that there are. Nothing is told about their passwords."

    package struct User: Codable, Hashable, Sendable {
        package var name: String

        package init(name: String) { self.name = name }
    }

    package struct Reply: Codable, Hashable, Sendable {
        package var users: [User]

        package init(users: [User]) { self.users = users }
    }

    package init() {}
}

package struct AddUser: Call {
    package typealias Reply = Applied
    package static let documentation = """
        The password is stored as a salted hash.
        password: null beside a null hash, in an import: the one that the user of that name has here.
        hash: such a hash in place of a password.
        weak: whether a password of less than 8 characters will do; null: no.
        """

    package var name: String
    package var password: String?
    package var weak: Bool?
    package var hash: String?

    package init(name: String, password: String?, weak: Bool? = nil, hash: String? = nil) {
        self.name = name
        self.password = password
        self.weak = weak
        self.hash = hash
    }
}

package struct SetPassword: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Gives a user another password. Sessions that were opened with the old one end.
        weak: whether a password of less than 8 characters will do; null: no.
        """

    package var name: String
    package var password: String
    package var weak: Bool?

    package init(name: String, password: String, weak: Bool? = nil) {
        self.name = name
        self.password = password
        self.weak = weak
    }
}

package struct RemoveUser: Call {
    package typealias Reply = Applied
    package static let documentation = "The user's sessions end."

    package var name: String

    package init(name: String) { self.name = name }
}
