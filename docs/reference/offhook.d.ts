// What goes over the socket of an Offhook gateway, both ways. Written by `offhook schema typescript`; do not edit.
// One JSON object a text frame. Keys that are not named here may come in a later version: ignore them.

/** Proves the extension's password, or a token that names the extension. */
export interface LoginCommand {
  action: "login";
  parameter: {
    /** not empty, at most 64 characters, matches ^[A-Za-z0-9\-_.!~*'()&=+$,/#]+$ */
    extension: string;
    /** at most 1024 characters */
    password?: string | null;
    loginId?: string | null;
    /** at most 8192 characters */
    token?: string | null;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** Come back to an agent's event stream after event `seq`; proves the password or a token. */
export interface ResumeCommand {
  action: "resume";
  parameter: {
    /** not empty, at most 64 characters, matches ^[A-Za-z0-9\-_.!~*'()&=+$,/#]+$ */
    extension: string;
    /** not empty, at most 256 characters */
    stream: string;
    /** at least 0 */
    seq: number;
    /** at most 1024 characters */
    password?: string | null;
    /** at most 8192 characters */
    token?: string | null;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** A newer token for this connection, which logged in by one; nothing else changes. */
export interface RenewTokenCommand {
  action: "renewToken";
  parameter: {
    /** not empty, at most 8192 characters */
    token: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface LogoutCommand {
  action: "logout";
  parameter?: {
    reasonCode?: string | null;
    userId?: string | null;
  } | null;
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface MakeCallCommand {
  action: "makeCall";
  parameter: {
    /** not empty, at most 128 characters */
    calledNumber: string;
    /** not empty, at most 128 characters */
    Destination_Number: string;
    /** not empty, at most 32 characters */
    callType: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface MakeOBCallCommand {
  action: "makeOBCall";
  parameter: {
    /** not empty, at most 128 characters */
    calledNumber: string;
    /** not empty, at most 128 characters */
    Destination_Number: string;
    /** not empty, at most 32 characters */
    callType: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface AnswerCallCommand {
  action: "answerCall";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
    answerCalltype?: string | null;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface ReleaseCallCommand {
  action: "releaseCall";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface RejectCallCommand {
  action: "rejectCall";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface HoldCallCommand {
  action: "holdCall";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface RetrieveCallCommand {
  action: "retrieveCall";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface MuteCallCommand {
  action: "mute_call";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface UnmuteCallCommand {
  action: "unmute_call";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface SendDtmfCommand {
  action: "SendDtmf";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
    /** not empty, at most 64 characters, matches ^[0-9A-D*#]+$ */
    message: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** Blind transfer (Single Step Transfer). */
export interface SSTCommand {
  action: "SST";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
    /** not empty, at most 128 characters */
    numberToTransfer: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface SSTQueueCommand {
  action: "SST_Queue";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
    /** not empty, at most 128 characters */
    numberToTransfer: string;
    /** not empty, at most 256 characters */
    queue: string;
    /** not empty, at most 256 characters */
    queueType: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** `dialogId` names the call to hold; without it the one live call that is no consult, the active one of several. */
export interface MakeConsultCommand {
  action: "makeConsult";
  parameter: {
    /** not empty, at most 128 characters */
    numberToConsult: string;
    /** at most 256 characters */
    dialogId?: string | null;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface MakeConsultQueueCommand {
  action: "makeConsultQueue";
  parameter: {
    /** not empty, at most 128 characters */
    numberToTransfer: string;
    /** not empty, at most 256 characters */
    queue: string;
    /** not empty, at most 256 characters */
    queueType: string;
    /** at most 256 characters */
    dialogId?: string | null;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** `dialogId` may name the customer's call or the consult. */
export interface ConsultTransferCommand {
  action: "consultTransfer";
  parameter?: {
    /** at most 256 characters */
    dialogId?: string | null;
  } | null;
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface ConferenceConsultCommand {
  action: "conference_consult";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** `participant` is the mediaAddress of a member of the conference. */
export interface DropParticipantCommand {
  action: "dropParticipant";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
    /** not empty, at most 128 characters */
    participant: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** Listen to the call of the agent `calledNumber`. `service_Identifier` is the reference's spelling. */
export interface SilentMonitorCommand {
  action: "silentMonitor";
  parameter: {
    /** not empty, at most 128 characters */
    calledNumber: string;
    /** not empty, at most 128 characters */
    Destination_Number: string;
    /** not empty, at most 32 characters */
    callType: string;
    /** not empty, at most 128 characters */
    service_Identifier: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface BargeInCommand {
  action: "bargeIn";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** Speak to the monitored agent alone; again: back to listening. */
export interface WhisperCommand {
  action: "whisper";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface ConvertCallCommand {
  action: "convertCall";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
    streamType: "screenshare" | "video";
    streamStatus: "off" | "on";
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface UpdateCallVariableDataCommand {
  action: "updateCallVariableData";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
    /** not empty, at most 32 keys */
    callVariables: Record<string, string>;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface GetStateCommand {
  action: "getState";
  parameter?: {} | null;
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface GetDialogCommand {
  action: "getDialog";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

export interface GetStatsCommand {
  action: "getStats";
  parameter: {
    /** not empty, at most 256 characters */
    dialogId: string;
  };
  /** not empty, at most 64 characters */
  id?: string | null;
}

/** Commands to an Offhook gateway, told apart by `action`. */
export type Command =
  | LoginCommand
  | ResumeCommand
  | RenewTokenCommand
  | LogoutCommand
  | MakeCallCommand
  | MakeOBCallCommand
  | AnswerCallCommand
  | ReleaseCallCommand
  | RejectCallCommand
  | HoldCallCommand
  | RetrieveCallCommand
  | MuteCallCommand
  | UnmuteCallCommand
  | SendDtmfCommand
  | SSTCommand
  | SSTQueueCommand
  | MakeConsultCommand
  | MakeConsultQueueCommand
  | ConsultTransferCommand
  | ConferenceConsultCommand
  | DropParticipantCommand
  | SilentMonitorCommand
  | BargeInCommand
  | WhisperCommand
  | ConvertCallCommand
  | UpdateCallVariableDataCommand
  | GetStateCommand
  | GetDialogCommand
  | GetStatsCommand;

export interface AgentInfoMessage {
  event: "agentInfo";
  response: AgentInfoResponse;
  seq?: number;
  stream?: string;
}

export interface XmppEventMessage {
  event: "xmppEvent";
  response: XmppResponse;
  seq?: number;
  stream?: string;
}

export interface DialogStateMessage {
  event: "dialogState";
  response: DialogResponse;
  seq?: number;
  stream?: string;
}

export interface NewInboundCallMessage {
  event: "newInboundCall";
  response: DialogResponse & {
    dialog: {
      state: "ALERTING";
    };
  };
  seq?: number;
  stream?: string;
}

export interface OutboundDialingMessage {
  event: "outboundDialing";
  response: DialogResponse & {
    dialog: {
      state: "INITIATING" | "INITIATED";
    };
  };
  seq?: number;
  stream?: string;
}

export interface ConsultCallMessage {
  event: "ConsultCall";
  response: DialogResponse & {
    dialog: {
      state: "INITIATING" | "INITIATED" | "ALERTING" | "ACTIVE" | "HELD" | "DROPPED";
    };
  };
  seq?: number;
  stream?: string;
}

export interface CampaignCallMessage {
  event: "campaignCall";
  response: DialogResponse & {
    dialog: {
      state: "ALERTING" | "ACTIVE" | "HELD" | "DROPPED";
    };
  };
  seq?: number;
  stream?: string;
}

export interface MonitoringMessage {
  event: "MONITORING";
  response: DialogResponse & {
    dialog: {
      state: "ALERTING";
    };
  };
  seq?: number;
  stream?: string;
}

export interface DtmfMessage {
  event: "DTMF";
  response: DtmfResponse;
  seq?: number;
  stream?: string;
}

export interface ErrorMessage {
  event: "Error";
  response: ErrorResponse;
  seq?: number;
  stream?: string;
}

export interface CallStatsMessage {
  event: "callStats";
  response: StatsResponse;
  seq?: number;
  stream?: string;
}

/** The one event without a `response` (contract §4). */
export interface MediaConversionMessage {
  event: "mediaConversion";
  status: "error" | "success";
  loginId: string;
  dialog: Conversion;
  seq?: number;
  stream?: string;
}

/** The answer to `getState`, to the asker alone. */
export interface AgentStateMessage {
  event: "agentState";
  response: AgentStateResponse;
}

/** The one outcome of a command that had an `id`; `result` is the answer of a query. */
export interface CommandResultMessage {
  event: "commandResult";
  /** not empty, at most 64 characters */
  id: string;
  action: string | null;
  status: "done" | "failed";
  error: ResultError | null;
  dialogId: string | null;
  result?: unknown;
}

/** Where an agent stands after event `seq`: for a desk whose missed events are no longer held. */
export interface SnapshotMessage {
  event: "snapshot";
  response: SnapshotResponse;
}

/** The token of this connection ends soon: send `renewToken`, or the connection is closed then. */
export interface TokenExpiringMessage {
  event: "tokenExpiring";
  response: TokenExpiringResponse;
}

export interface AgentInfoResponse {
  loginId: string;
  extension: string;
  state: "LOGIN" | "LOGOUT";
  cause: string | null;
}

export interface XmppResponse {
  loginId: string;
  type: "IN_SERVICE" | "OUT_OF_SERVICE";
  description: string;
}

export interface DialogResponse {
  loginId: string;
  dialog: Dialog | null;
}

export interface DtmfResponse {
  loginId: string;
  type: 0 | 1;
  description: string;
  dialogId: string;
}

/** `event_time` is local time in the reference's form; never a `dialog` in here (RB §8.24). */
export interface ErrorResponse {
  type: "generalError" | "invalidState" | "networkIssue" | "subscriptionFailed";
  loginId: string;
  description: string;
  /** matches ^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2} [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}\.[0-9]{1,3}$ */
  event_time: string;
  /** not empty */
  code: string;
  dialogId: string | null;
  detail: string;
}

/** `video` is there where the call has, or had, some. */
export interface StatsResponse {
  loginId: string;
  dialogId: string;
  audio: Audio;
  video?: Video;
}

/** What became of a stream of a call; `timeStamp` as `iso_time`. */
export interface Conversion {
  id: string;
  eventRequest: "local" | "remote";
  stream: "screenshare" | "video";
  streamStatus: "off" | "on";
  errorReason: string | null;
  /** matches ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$ */
  timeStamp: string;
}

export interface AgentStateResponse {
  loginId: string;
  extension: string;
  state: "LOGIN" | "LOGOUT";
  registration: "IN_SERVICE" | "OUT_OF_SERVICE";
  dialogs: Dialog[];
}

export interface SnapshotResponse {
  loginId: string;
  stream: string;
  /** at least 0 */
  seq: number;
  registration: "IN_SERVICE" | "OUT_OF_SERVICE";
  dialogs: Dialog[];
}

/** `expiresAt` as `iso_time`; `seconds` are what is left. */
export interface TokenExpiringResponse {
  loginId: string;
  expiresAt: string;
  seconds: number;
}

/** Both directions of a call's audio; null where not measured. Levels in dBov, times in ms, mos 1.0 to 4.5. */
export interface Audio {
  codec: string | null;
  packetsSent: number | null;
  packetsReceived: number | null;
  packetsLost: number | null;
  jitterMs: number | null;
  roundTripMs: number | null;
  mos: number | null;
  levelInDb: number | null;
  levelOutDb: number | null;
}

/**
 * Both directions of a call's video. `width` and `height` are of the last picture received, null where there was
 * none; frames dropped and the times that the picture stood still are null where they are not counted.
 */
export interface Video {
  codec: string;
  direction: "inactive" | "recvonly" | "sendonly" | "sendrecv";
  connected: boolean;
  framesSent: number;
  framesReceived: number;
  framesDropped: number | null;
  freezes: number | null;
  frozenMs: number | null;
  packetsSent: number;
  packetsReceived: number;
  packetsLost: number;
  width: number | null;
  height: number | null;
}

export interface ResultError {
  type: "generalError" | "invalidState" | "networkIssue" | "subscriptionFailed";
  /** not empty */
  code: string;
  description: string;
  dialogId: string | null;
}

/**
 * A call as the agent sees it; every key is always there, null where unknown.
 *
 * Two keys are additions: `remoteHold`, once the other side has held the call, and `endCallReason`, in DROPPED.
 */
export interface Dialog {
  /** not empty */
  id: string;
  fromAddress: string;
  dialedNumber: string;
  customerNumber: string;
  dnis: string;
  serviceIdentifier: string;
  callType: string | null;
  ani: string;
  wrapUpReason: string | null;
  wrapUpItems: string | null;
  callEndReason: string | null;
  queueName: string | null;
  queueType: string | null;
  associatedDialogUri: string | null;
  secondaryId: string | null;
  participants: Participant[];
  callVariables: CallVariables;
  state: "ACTIVE" | "ALERTING" | "DROPPED" | "HELD" | "INITIATED" | "INITIATING";
  isCallAlreadyActive: boolean;
  callbackNumber: string | null;
  outboundClassification: string | null;
  scheduledCallbackInfo: string | null;
  isCallEnded: 0 | 1;
  eventType: "PUT";
  mediaType: string | null;
  callOriginator: string | null;
  channelType: string | null;
  primaryDN: string | null;
  remoteHold?: boolean;
  endCallReason?: string | null;
}

export interface CallVariables {
  CallVariable: CallVariable[];
}

/** Who takes part. Times are ISO 8601 UTC with milliseconds. */
export interface Participant {
  actions: Actions;
  mediaAddress: string;
  mediaAddressType: string;
  /** matches ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$ */
  startTime: string;
  state: "ACTIVE" | "ALERTING" | "DROPPED" | "HELD" | "INITIATED" | "INITIATING";
  stateCause: string | null;
  /** matches ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$ */
  stateChangeTime: string;
  mute: boolean;
}

export interface Actions {
  action: string[];
}

export interface CallVariable {
  name: string;
  value: string;
}

/** Messages from an Offhook gateway, told apart by `event`. */
export type Message =
  | AgentInfoMessage
  | XmppEventMessage
  | DialogStateMessage
  | NewInboundCallMessage
  | OutboundDialingMessage
  | ConsultCallMessage
  | CampaignCallMessage
  | MonitoringMessage
  | DtmfMessage
  | ErrorMessage
  | CallStatsMessage
  | MediaConversionMessage
  | AgentStateMessage
  | CommandResultMessage
  | SnapshotMessage
  | TokenExpiringMessage;

/** The command of an action: `CommandOf<"holdCall">`. */
export type CommandOf<A extends Command["action"]> = Extract<Command, { action: A }>;

/** The message of an event name: `MessageOf<"dialogState">`. */
export type MessageOf<E extends Message["event"]> = Extract<Message, { event: E }>;
