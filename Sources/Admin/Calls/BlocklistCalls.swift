/// The calls about names that are not told.
enum BlocklistCalls {
    static let all: [any Call.Type] = [
        BringNames.self, AddBlocklist.self, ListBlocklists.self, RemoveBlocklist.self,
    ]
}

package struct BringNames: Call {
    package static let documentation = """
        Brings names for a blocklist, some thousands at once, before AddBlocklist makes a list of them.
        batch: what the reply to the first part said; null: this is the first part.
        names: in lower case; a dot before one says that it stands for all that is below it, too.
        count: how many names the batch has by now.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var batch: String
        package var count: Int

        package init(batch: String, count: Int) {
            self.batch = batch
            self.count = count
        }
    }

    package var batch: String?
    package var names: [String]

    package init(batch: String? = nil, names: [String]) {
        self.batch = batch
        self.names = names
    }
}

package struct AddBlocklist: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Adds a blocklist, or puts it in the place of the one of that name: its names are not told to those for whom it holds.
        batch: what the replies to BringNames said.
        zone: for whose devices it holds; null beside a null device: for everybody.
        device: for which it holds, by name.
        """

    package var name: String
    package var batch: String
    package var zone: String?
    package var device: String?

    package init(name: String, batch: String, zone: String? = nil, device: String? = nil) {
        self.name = name
        self.batch = batch
        self.zone = zone
        self.device = device
    }
}

package struct ListBlocklists: Call {
    package static let documentation =
        "The blocklists, and to whom their names were refused since the role for names began."

    package struct Blocklist: Codable, Hashable, Sendable {
        package var name: String
        package var zone: String?
        package var device: String?
        package var count: Int
        package var refusals: [BlocklistRefusals]

        package init(name: String, zone: String?, device: String?, count: Int, refusals: [BlocklistRefusals]) {
            self.name = name
            self.zone = zone
            self.device = device
            self.count = count
            self.refusals = refusals
        }
    }

    package struct Reply: Codable, Hashable, Sendable {
        package var blocklists: [Blocklist]

        package init(blocklists: [Blocklist]) { self.blocklists = blocklists }
    }

    package init() {}
}

/// How often names of a list were refused to a device.
package struct BlocklistRefusals: Codable, Hashable, Sendable {
    /// nil: devices that nobody knows.
    package var device: String?
    package var count: Int

    package init(device: String?, count: Int) {
        self.device = device
        self.count = count
    }
}

package struct RemoveBlocklist: Call {
    package typealias Reply = Applied
    package static let documentation = "Takes a blocklist away, by its name."

    package var name: String

    package init(name: String) { self.name = name }
}
