/** A viewer that folds what it sees into text. */
import type { TestGateway } from "./gateway.ts";
import { type Heard, TestSocket } from "./socket.ts";

export class V1Viewer extends TestSocket {
  text = "";

  /** Opens a viewer socket; `query` beside the id: `newSession=true`, `exec=1`. */
  static connect(
    gateway: Pick<TestGateway, "url" | "token">,
    agentId: string,
    id: string,
    query = "",
    token = gateway.token,
  ): Promise<V1Viewer> {
    const url = `${gateway.url}/ws/agent/${agentId}/terminal?id=${id}${query ? `&${query}` : ""}`;
    return new V1Viewer(url, { headers: { Authorization: `Bearer ${token}` } }).open();
  }

  /** Waits until the text has that in it. */
  async sees(text: string, ms = 5_000): Promise<void> {
    await this.find(() => this.text.includes(text), `the viewer to see ${JSON.stringify(text)}`, 0, ms);
  }

  protected override heard({ type, data }: Heard): void {
    if (type === "output") this.text += data;
  }
}
