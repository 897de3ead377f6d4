import { jwtSecret, tokenRules } from "../../auth/jwt-secret.ts";
import { exitCodes, Problem } from "../../errors/problem.ts";
import { signToken, type TokenRequest } from "../../auth/token.ts";
import type { Context } from "./context.ts";

/**
 * Prints a signed token.
 *
 * @throws {Problem} if the time span is not valid.
 */
export async function tokenCommand(context: Context, request: TokenRequest): Promise<void> {
  try {
    const { config } = context;
    context.print(await signToken(jwtSecret(config), request, tokenRules(config)));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Problem(`--expires must be a time span such as 12h or 30d.`, exitCodes.usage);
  }
}
