import type { Words } from './en';

export const words: Words = {
  close: '채팅 닫기', placeholder: '메시지를 입력하세요', send: '보내기', stop: '답변 멈추기',
  retry: '다시 시도', copy: '복사', copied: '복사됨', helpful: '도움이 됐어요', unhelpful: '도움이 안 됐어요',
  restart: '새 대화', sources: '출처', page: '{n}쪽', writing: '답변을 쓰고 있습니다',
  reconnecting: '연결이 끊겼습니다. 다시 연결하는 중 …', offline: '오프라인인 것 같습니다. 메시지는 그대로 있습니다.',
  limited: '{s}초 뒤에 다시 보내 주세요.', failed: '답변을 끝내지 못했습니다.',
  spent: '오늘은 더 답해 드릴 수 없습니다. 내일 다시 찾아 주세요.', stopped: '멈췄습니다.',
  email: '이메일 주소', emailWhy: '시작하기 전에 이메일 주소를 남겨 주세요.', begin: '시작', you: '나', assistant: '상담 봇',
  preview: '미리 보기입니다. 아무것도 전송되지 않습니다.',
  attach: '이미지 첨부', images: '이미지', drop: '여기에 이미지를 놓으세요', uploading: '올리는 중', remove: '지우기', more: '{n}개 더 보기',
  gone: '이 대목은 더 이상 없습니다.', imageKind: 'PNG, JPEG, WebP, GIF 이미지만 첨부할 수 있습니다.',
  imageSize: '이미지가 너무 큽니다. {mb}MB까지 첨부할 수 있습니다.', imageCount: '메시지 하나에 이미지는 {n}개까지 첨부할 수 있습니다.',
  imageDamaged: '이미지를 읽을 수 없습니다. 파일이 온전한지 확인해 주세요.', imageOffline: '이미지를 올리지 못했습니다. 연결을 확인하고 다시 시도해 주세요.',
  imageLimited: '이미지를 한꺼번에 많이 올리셨습니다. 잠시 뒤에 다시 시도해 주세요.', imageFailed: '이미지를 첨부하지 못했습니다. 다시 시도해 주세요.',
  person: '상담원', callPerson: '상담원 연결', callOff: '챗봇과 계속하기',
  waiting: '상담원을 기다리고 있습니다. 계속 메시지를 쓰실 수 있습니다.', joined: '{name} 님이 참여했습니다.', personWrites: '{name} 님이 쓰고 있습니다 …',
  end: '대화 끝내기', rate: '상담은 어떠셨나요?', stars: '5점 중 {n}점', rateWhy: '이유 (선택)', rated: '평가해 주셔서 감사합니다.',
};
