/** `/api/openapi.json`. */
import { type Route, route } from "./route.ts";

/** @param routes all of the gateway, this one too */
export function openApiRoute(routes: () => readonly Route[]): Route {
  /** The latest, and the address that it was made for: there is hardly ever another. */
  let made: { url: string; text: string } | null = null;
  return route({
    method: "GET",
    path: "/api/openapi.json",
    action: "public",
    summary: "Describe this API",
    async handle({ c }) {
      const { publicUrl: url } = c.env;
      if (made?.url !== url) {
        const { openApiDocument } = await import("./openapi.ts");
        made = { url, text: JSON.stringify(openApiDocument(routes(), url)) };
      }
      return c.body(made.text, 200, { "Content-Type": "application/json" });
    },
  });
}
