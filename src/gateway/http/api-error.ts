/** A refusal as every route gives it: a status, a text, a machine-readable code. */

/** A refusal of the API, thrown by a route: its HTTP status and the code that clients compare. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }

  /** `{"error", "code", "request_id"}` */
  toResponse(requestId: string): Response {
    return Response.json(
      { error: this.message, code: this.code, request_id: requestId },
      { status: this.status, headers: { "Cache-Control": "no-store", ...this.headers } },
    );
  }
}
