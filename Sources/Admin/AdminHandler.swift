package import Address
package import Policy

/// Who carries the calls out. The server has checked the caller's permission and the parameters' form; whether the policy
/// allows what they ask is the handler's to say.
///
/// `author` is the caller, by the credentials of the socket's peer. GetVersion and org.varlink.service are answered by the
/// server itself.
///
/// An actor's method that throws has to be declared `async` itself: Swift 6.3.1 loses a typed error on its way out of a
/// synchronous one and dereferences NULL.
package protocol AdminHandler: CertificateHandler, AnyObject, Sendable {
    func status() async throws(AdminError) -> Status
    /// The listeners as the home's devices reach them.
    func offers() async throws(AdminError) -> [Premises.Offer]

    func setup(_ request: Setup, by author: Author) async throws(AdminError) -> Applied

    func listeners() async throws(AdminError) -> [Listener]
    func addListener(_ listener: Listener, by author: Author) async throws(AdminError) -> Applied
    func changeListener(_ change: ChangeListener, by author: Author) async throws(AdminError) -> Applied
    func removeListener(at endpoint: Endpoint, by author: Author) async throws(AdminError) -> Applied

    /// The users' names.
    func users() async throws(AdminError) -> [String]
    func addUser(_ name: String, password: String, by author: Author) async throws(AdminError) -> Applied
    func setPassword(of name: String, to password: String, by author: Author) async throws(AdminError) -> Applied
    func removeUser(_ name: String, by author: Author) async throws(AdminError) -> Applied

    func rules() async throws(AdminError) -> ListRules.Reply
    func addRule(_ request: AddRule, by author: Author) async throws(AdminError) -> AppliedRule
    func removeRule(_ id: Int, by author: Author) async throws(AdminError) -> Applied
    func setDefault(_ action: Rule.Action, by author: Author) async throws(AdminError) -> Applied

    func limits() async throws(AdminError) -> [Limit]
    func setLimit(_ limit: Limit, by author: Author) async throws(AdminError) -> Applied
    func removeLimit(for subject: Limit.Subject, by author: Author) async throws(AdminError) -> Applied

    func firewall() async throws(AdminError) -> FirewallReport
    func setFirewallMode(_ mode: FirewallMode, by author: Author) async throws(AdminError) -> Applied
    func open(_ opening: Opening, by author: Author) async throws(AdminError) -> Applied
    func close(_ name: String, by author: Author) async throws(AdminError) -> Applied

    /// The newest `limit` revisions, newest first.
    func revisions(limit: Int) async throws(AdminError) -> [Revision]
    func revision(_ id: Int) async throws(AdminError) -> RevisionChanges
    func rollback(to id: Int, by author: Author) async throws(AdminError) -> Applied

    func sessions(_ request: ListSessions) async throws(AdminError) -> ListSessions.Reply
    /// Ends the sessions that are meant; tells how many they were.
    func endSessions(_ selection: SessionSelection, by author: Author) async throws(AdminError) -> Int
}
