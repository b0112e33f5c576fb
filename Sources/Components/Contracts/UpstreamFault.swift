/// What an MLflow server, on which a remote seam builds, answered: the cause of the `NestboxError` that it became. The routes
/// of MLflow's protocol pass it on as it came, since its clients decide by these codes.
package struct UpstreamFault: Error, Hashable {
    /// `RESOURCE_DOES_NOT_EXIST`, …
    package var errorCode: String
    /// Of HTTP.
    package var status: Int
    package var message: String

    package init(errorCode: String, status: Int, message: String) {
        self.errorCode = errorCode
        self.status = status
        self.message = message
    }
}
