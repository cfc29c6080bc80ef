/** The socket of a client, by the name that the client's code has for it. */
export {
  LIVENESS_V2,
  LinkSocket as Connection,
  type SocketClose,
  type SocketEvents,
} from "../link/socket.ts";
