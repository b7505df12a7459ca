import CSQLite
import Glibc

/// One connection to the database file, and the two things asked of it: run a script, answer a query.
final class Database {
    enum Value: Hashable {
        case integer(Int)
        case text(String)
        case null
    }

    let path: String
    private let connection: OpaquePointer
    private var isClosed = false

    /// The file must exist: its mode is the caller's choice, and SQLite gives the -wal and -shm files the same one.
    init(path: String, readOnly: Bool = false) throws(StoreError) {
        var connection: OpaquePointer?
        let flags = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
        let code = sqlite3_open_v2(path, &connection, flags, nil)
        guard let connection else { throw .failed(path: path, detail: "out of memory") }
        guard code == SQLITE_OK else {
            defer { sqlite3_close_v2(connection) }
            throw Self.error(connection, path)
        }
        self.path = path
        self.connection = connection
        sqlite3_extended_result_codes(connection, 1)
        // Somebody looking with sqlite3(1) may hold the write lock for a moment. Nobody else writes.
        sqlite3_busy_timeout(connection, 500)
    }

    /// Nothing may be asked afterwards. Otherwise the connection closes with the last reference.
    func close() {
        if !isClosed { sqlite3_close_v2(connection) }
        isClosed = true
    }

    deinit { close() }

    /// Runs each statement of `script`; rows are ignored.
    func run(_ script: String) throws(StoreError) {
        guard sqlite3_exec(connection, script, nil, nil, nil) == SQLITE_OK else { throw error() }
    }

    /// Runs one statement, with `values` for its question marks, and returns its rows.
    @discardableResult
    func query(_ statement: String, _ values: [Value] = []) throws(StoreError) -> [[Value]] {
        var prepared: OpaquePointer?
        guard sqlite3_prepare_v2(connection, statement, -1, &prepared, nil) == SQLITE_OK else { throw error() }
        defer { sqlite3_finalize(prepared) }
        for (index, value) in values.enumerated() {
            let code =
                switch value {
                case .integer(let number): sqlite3_bind_int64(prepared, Int32(index + 1), Int64(number))
                case .text(let text): sqlite3_bind_text(prepared, Int32(index + 1), text, -1, transient)
                case .null: sqlite3_bind_null(prepared, Int32(index + 1))
                }
            guard code == SQLITE_OK else { throw error() }
        }
        var rows: [[Value]] = []
        while true {
            switch sqlite3_step(prepared) {
            case SQLITE_ROW: rows.append(row(of: prepared))
            case SQLITE_DONE: return rows
            default: throw error()
            }
        }
    }

    /// The integer in the first column of the first row.
    func integer(_ statement: String, _ values: [Value] = []) throws(StoreError) -> Int? {
        guard case .integer(let number)? = try query(statement, values).first?.first else { return nil }
        return number
    }

    /// Runs `body` inside BEGIN IMMEDIATE … COMMIT, or leaves everything as it was.
    func transaction(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        try run("BEGIN IMMEDIATE")
        do {
            try body()
            try run("COMMIT")
        } catch {
            rollback()
            throw error
        }
    }

    /// Ends an open transaction without its changes. SQLite has often done so itself when a statement failed.
    func rollback() {
        if hasTransaction { sqlite3_exec(connection, "ROLLBACK", nil, nil, nil) }
    }

    var hasTransaction: Bool { sqlite3_get_autocommit(connection) == 0 }

    /// Writes the open transaction's pages to the log before its COMMIT, so that a full disk shows itself now.
    func flush() throws(StoreError) {
        // It returns its error and does not leave it with the connection.
        let code = sqlite3_db_cacheflush(connection)
        guard code == SQLITE_OK else { throw Self.error(connection, path, code: code) }
    }

    /// Copies all pages (sqlite.org/backup.html).
    func copy(to other: Database) throws(StoreError) {
        guard let backup = sqlite3_backup_init(other.connection, "main", connection, "main") else {
            throw other.error()
        }
        let code = sqlite3_backup_step(backup, -1)
        let end = sqlite3_backup_finish(backup)
        guard code == SQLITE_DONE, end == SQLITE_OK else {
            throw Self.error(other.connection, other.path, code: end == SQLITE_OK ? code : end)
        }
    }

    private func row(of statement: OpaquePointer?) -> [Value] {
        (0..<sqlite3_column_count(statement)).map { column in
            switch sqlite3_column_type(statement, column) {
            case SQLITE_INTEGER: .integer(Int(sqlite3_column_int64(statement, column)))
            case SQLITE_NULL: .null
            default: sqlite3_column_text(statement, column).map { .text(String(cString: $0)) } ?? .null
            }
        }
    }

    private func error() -> StoreError { Self.error(connection, path) }

    private static func error(_ connection: OpaquePointer, _ path: String, code: Int32? = nil) -> StoreError {
        let system = sqlite3_system_errno(connection)
        let detail = String(cString: code.map { sqlite3_errstr($0) } ?? sqlite3_errmsg(connection))
        let code = code ?? sqlite3_extended_errcode(connection)
        switch code & 0xff {
        case SQLITE_NOTADB: return .foreign(path: path)
        case SQLITE_CORRUPT: return .corrupt(path: path, detail: detail)
        case SQLITE_FULL: return .full(path: path, detail: detail)
        case SQLITE_IOERR where system == ENOSPC || system == EDQUOT:
            return .full(path: path, detail: "\(detail): \(describe(errno: system))")
        case SQLITE_IOERR, SQLITE_CANTOPEN:
            return .failed(path: path, detail: system == 0 ? detail : "\(detail): \(describe(errno: system))")
        default: return .failed(path: path, detail: "\(detail) (SQLite error \(code))")
        }
    }
}

/// SQLITE_TRANSIENT, a cast in C: SQLite is to copy the bytes.
private let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
