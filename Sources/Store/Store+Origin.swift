import Policy

extension Store {
    /// Something that the policy has, by what tells it from others of its kind.
    package enum Thing: Hashable, Sendable {
        case zone(String)
        case device(String)
        case rule(Int)
        case opening(String)
        case forward(String)
        case passage(String)
        case listener(String)
        case limit(String)
        case blocklist(String)
        case exit(String)
        case setting(String)

        fileprivate var row: (table: String, column: String, key: Database.Value) {
            switch self {
            case .zone(let name): ("zone", "name", .text(name))
            case .device(let hardware): ("device", "hardware", .text(hardware))
            case .rule(let id): ("rule", "id", .integer(id))
            case .opening(let name): ("opening", "name", .text(name))
            case .forward(let name): ("forward", "name", .text(name))
            case .passage(let ends): ("passage", "ends", .text(ends))
            case .listener(let endpoint): ("listener", "endpoint", .text(endpoint))
            case .limit(let subject): ("usage_limit", "subject", .text(subject))
            case .blocklist(let name): ("blocklist", "name", .text(name))
            case .exit(let name): ("egress_exit", "name", .text(name))
            case .setting(let name): ("setting", "name", .text(name))
            }
        }
    }

    /// The revision that made `thing` as it is; nil: there is none.
    package func origin(of thing: Thing) throws(StoreError) -> Int? {
        let row = thing.row
        let found = try writer.query(
            "SELECT since FROM \(row.table) WHERE \(row.column) = ? AND until IS NULL", [row.key])
        return found.first?.first?.number
    }
}
