/// MLflow's code for a refusal that Nestbox would name otherwise, as the cause of its error: clients of MLflow decide by it.
package enum MLflowCode: String, Error {
    /// 400: what MLflow's own database refuses, such as a row that is there already.
    case badRequest = "BAD_REQUEST"
    /// 500 in MLflow, for what is not a fault of the server at all.
    case invalidState = "INVALID_STATE"

    /// Of HTTP.
    package var status: Int {
        switch self {
        case .badRequest: 400
        case .invalidState: 500
        }
    }
}
